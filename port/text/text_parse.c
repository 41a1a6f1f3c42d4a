/* Terms that are open at the same time lie on a stack of their own: no depth of nesting can overflow C's. */
#include "text_parse.h"

#include <limits.h>
#include <stdlib.h>

#include "text_bits.h"
#include "text_char.h"
#include "text_close.h"
#include "text_keys.h"
#include "text_number.h"
#include "text_stop.h"

enum { EXPORT = 113 };

#define ARITY_MAX 255
#define OUT_OF_MEMORY "out of memory"
#define TOO_MANY "more elements than a term can have"

enum open_kind {
    OPEN_LIST,
    OPEN_TAIL, /* a list after '|' */
    OPEN_TUPLE,
    OPEN_KEY,   /* a map before '=>' */
    OPEN_VALUE, /* a map after it */
    OPEN_PARENTHESIS,
};

struct open {
    enum open_kind kind;
    size_t head;  /* where its tag is in the message */
    size_t count; /* of finished elements or pairs */
    size_t tail;  /* where the tail begins */
    size_t keys;  /* how many keys there were before its own */
};

struct parser {
    struct text_scanner scanner;
    struct text_token token;
    struct message *message;
    struct open *open;
    size_t depth, room;
    struct text_keys keys;
};

enum step { WANT_TERM, WANT_MORE, FINISHED, FAILED };

static enum step refuse(struct parser *parser, const char *problem)
{
    text_scan_refuse(&parser->scanner, &parser->token, problem);
    return FAILED;
}

static enum step unexpected(struct parser *parser, const char *expected)
{
    text_scan_unexpected(&parser->scanner, &parser->token, expected);
    return FAILED;
}

static struct open *innermost(const struct parser *parser)
{
    return parser->depth > 0 ? &parser->open[parser->depth - 1] : NULL;
}

static enum step push(struct parser *parser, enum open_kind kind)
{
    if (parser->depth == TEXT_DEPTH_MAX)
        return refuse(parser, "terms inside of terms, more than 10000 deep");
    if (parser->depth == parser->room) {
        size_t room = parser->room > 0 ? 2 * parser->room : 16;
        struct open *open = realloc(parser->open, room * sizeof *open);
        if (open == NULL)
            return refuse(parser, OUT_OF_MEMORY);
        parser->open = open;
        parser->room = room;
    }
    parser->open[parser->depth++] =
        (struct open){.kind = kind, .head = parser->message->length, .keys = parser->keys.count};
    return WANT_TERM;
}

static enum step open_list(struct parser *parser)
{
    enum step step = push(parser, OPEN_LIST);
    message_put_list(parser->message, 0);
    return step;
}

static enum step open_tuple(struct parser *parser)
{
    enum step step = push(parser, OPEN_TUPLE);
    message_put_tuple(parser->message, 0);
    return step;
}

static enum step open_map(struct parser *parser)
{
    if (!text_scan_next(&parser->scanner, &parser->token))
        return FAILED;
    if (parser->token.kind != TEXT_TOKEN_OPEN_BRACE)
        return unexpected(parser, "'{' after '#'");
    enum step step = push(parser, OPEN_KEY);
    message_put_map(parser->message, 0);
    return step;
}

/* Erlang would keep the last of two values for one key; in a text, two of them are a mistake. */
static enum step close_map(struct parser *parser, const struct open *map)
{
    if (!text_keys_close(&parser->keys, map->keys, parser->message->bytes, &parser->token.place))
        return refuse(parser, "a key that the map has already");
    return text_close_map(parser->message, map->head, map->count) ? WANT_MORE : refuse(parser, TOO_MANY);
}

static enum step close_innermost(struct parser *parser)
{
    const struct open *open = &parser->open[--parser->depth];
    struct message *message = parser->message;
    bool counted = true;
    switch (open->kind) {
    case OPEN_LIST:
        counted = text_close_list(message, open->head, open->count);
        break;
    case OPEN_TAIL:
        counted = text_close_tail(message, open->head, open->count, open->tail);
        break;
    case OPEN_TUPLE:
        counted = text_close_tuple(message, open->head, open->count);
        break;
    case OPEN_KEY:
    case OPEN_VALUE:
        return close_map(parser, open);
    case OPEN_PARENTHESIS:
        break;
    }
    return counted ? WANT_MORE : refuse(parser, TOO_MANY);
}

static enum step put_integer(struct parser *parser, bool negative)
{
    const struct text_token *token = &parser->token;
    unsigned long long value;
    if (text_integer_read_small(token->text, token->base, LLONG_MAX, &value)) {
        message_put_integer(parser->message, negative ? -(long long)value : (long long)value);
        return WANT_MORE;
    }
    struct text_integer integer;
    if (!text_integer_read(&integer, token->text, token->base))
        return refuse(parser, OUT_OF_MEMORY);
    integer.negative = negative;
    text_integer_put(parser->message, &integer);
    text_integer_free(&integer);
    return WANT_MORE;
}

static enum step put_number(struct parser *parser, bool negative)
{
    const struct text_token *token = &parser->token;
    if (token->kind == TEXT_TOKEN_INTEGER)
        return put_integer(parser, negative);
    if (token->kind == TEXT_TOKEN_CHARACTER)
        message_put_integer(parser->message, negative ? -(long long)token->character : (long long)token->character);
    else if (token->kind == TEXT_TOKEN_FLOAT)
        message_put_float(parser->message, negative ? -token->real : token->real);
    else
        return unexpected(parser, "a number after the sign");
    return WANT_MORE;
}

static bool expect(struct parser *parser, enum text_token_kind kind, const char *expected)
{
    if (!text_scan_next(&parser->scanner, &parser->token))
        return false;
    return parser->token.kind == kind || text_scan_unexpected(&parser->scanner, &parser->token, expected);
}

static void put_atom(struct parser *parser)
{
    const struct span *text = &parser->token.text;
    message_put_atom(parser->message, text->length > 0 ? (const char *)text->bytes : "", text->length);
}

/* A string is the list of its characters. */
static enum step put_string(struct parser *parser)
{
    struct message *message = parser->message;
    size_t head = message->length, count = 0;
    uint32_t character;
    message_put_list(message, 0);
    for (; text_char_take(&parser->token.text, &character); count++)
        message_put_integer(message, character);
    return text_close_list(message, head, count) ? WANT_MORE : refuse(parser, TOO_MANY);
}

/* fun module:function/arity */
static enum step put_fun(struct parser *parser)
{
    const unsigned char tag = EXPORT;
    unsigned long long arity;
    message_put_raw(parser->message, &tag, 1);
    if (!expect(parser, TEXT_TOKEN_ATOM, "a module after fun"))
        return FAILED;
    put_atom(parser);
    if (!expect(parser, TEXT_TOKEN_COLON, "':' and a function") || !expect(parser, TEXT_TOKEN_ATOM, "a function"))
        return FAILED;
    put_atom(parser);
    if (!expect(parser, TEXT_TOKEN_SLASH, "'/' and an arity") || !expect(parser, TEXT_TOKEN_INTEGER, "an arity"))
        return FAILED;
    if (!text_integer_read_small(parser->token.text, parser->token.base, ARITY_MAX, &arity))
        return refuse(parser, "an arity over 255");
    message_put_unsigned(parser->message, arity);
    return WANT_MORE;
}

/* True where the innermost term has nothing in it yet and this bracket ends it. */
static bool closes_empty(const struct parser *parser)
{
    const struct open *open = innermost(parser);
    if (open == NULL || open->count > 0)
        return false;
    if (open->kind == OPEN_LIST)
        return parser->token.kind == TEXT_TOKEN_CLOSE_BRACKET;
    return (open->kind == OPEN_TUPLE || open->kind == OPEN_KEY) && parser->token.kind == TEXT_TOKEN_CLOSE_BRACE;
}

static const char *expected_term(const struct parser *parser)
{
    const struct open *open = innermost(parser);
    if (open == NULL || open->count > 0)
        return "a term";
    switch (open->kind) {
    case OPEN_LIST:
        return "a term or ']'";
    case OPEN_TUPLE:
        return "a term or '}'";
    case OPEN_KEY:
        return "a key or '}'";
    case OPEN_TAIL:
    case OPEN_VALUE:
    case OPEN_PARENTHESIS:
        return "a term";
    }
    return "a term";
}

static enum step put_signed(struct parser *parser)
{
    bool negative = parser->token.kind == TEXT_TOKEN_MINUS;
    return text_scan_next(&parser->scanner, &parser->token) ? put_number(parser, negative) : FAILED;
}

static enum step take_term(struct parser *parser)
{
    if (closes_empty(parser))
        return close_innermost(parser);
    const struct open *open = innermost(parser);
    if (open != NULL && open->kind == OPEN_KEY &&
        !text_keys_begin(&parser->keys, parser->message->length, parser->token.place))
        return refuse(parser, OUT_OF_MEMORY);
    switch (parser->token.kind) {
    case TEXT_TOKEN_INTEGER:
    case TEXT_TOKEN_CHARACTER:
    case TEXT_TOKEN_FLOAT:
        return put_number(parser, false);
    case TEXT_TOKEN_PLUS:
    case TEXT_TOKEN_MINUS:
        return put_signed(parser);
    case TEXT_TOKEN_ATOM:
        put_atom(parser);
        return WANT_MORE;
    case TEXT_TOKEN_STRING:
        return put_string(parser);
    case TEXT_TOKEN_FUN:
        return put_fun(parser);
    case TEXT_TOKEN_OPEN_BINARY:
        return text_bits_read(&parser->scanner, parser->message) ? WANT_MORE : FAILED;
    case TEXT_TOKEN_OPEN_BRACKET:
        return open_list(parser);
    case TEXT_TOKEN_OPEN_BRACE:
        return open_tuple(parser);
    case TEXT_TOKEN_HASH:
        return open_map(parser);
    case TEXT_TOKEN_OPEN_PARENTHESIS:
        return push(parser, OPEN_PARENTHESIS);
    case TEXT_TOKEN_END:
    case TEXT_TOKEN_STOP:
    case TEXT_TOKEN_COMMA:
    case TEXT_TOKEN_COLON:
    case TEXT_TOKEN_SLASH:
    case TEXT_TOKEN_BAR:
    case TEXT_TOKEN_ARROW:
    case TEXT_TOKEN_CLOSE_BRACE:
    case TEXT_TOKEN_CLOSE_BRACKET:
    case TEXT_TOKEN_CLOSE_PARENTHESIS:
    case TEXT_TOKEN_CLOSE_BINARY:
    case TEXT_TOKEN_OTHER:
        break;
    }
    return unexpected(parser, expected_term(parser));
}

/* ',' or the bracket that closes. */
static enum step take_separator(struct parser *parser, struct open *open, enum text_token_kind closing,
                                const char *expected)
{
    if (parser->token.kind != TEXT_TOKEN_COMMA && parser->token.kind != closing)
        return unexpected(parser, expected);
    open->count++;
    return parser->token.kind == closing ? close_innermost(parser) : WANT_TERM;
}

static enum step take_only(struct parser *parser, enum text_token_kind closing, const char *expected)
{
    return parser->token.kind == closing ? close_innermost(parser) : unexpected(parser, expected);
}

static enum step take_tail(struct parser *parser, struct open *list)
{
    list->kind = OPEN_TAIL;
    list->count++;
    list->tail = parser->message->length;
    return WANT_TERM;
}

static enum step take_value(struct parser *parser, struct open *map)
{
    if (parser->token.kind != TEXT_TOKEN_ARROW)
        return unexpected(parser, "'=>'");
    text_keys_end(&parser->keys, parser->message->length);
    map->kind = OPEN_VALUE;
    return WANT_TERM;
}

/* What may follow a term that is whole. */
static enum step take_more(struct parser *parser)
{
    struct open *open = innermost(parser);
    if (open == NULL)
        return parser->token.kind == TEXT_TOKEN_STOP ? FINISHED
                                                     : unexpected(parser, "a full stop ('.' and white space)");
    switch (open->kind) {
    case OPEN_LIST:
        if (parser->token.kind == TEXT_TOKEN_BAR)
            return take_tail(parser, open);
        return take_separator(parser, open, TEXT_TOKEN_CLOSE_BRACKET, "',', '|' or ']'");
    case OPEN_TAIL:
        return take_only(parser, TEXT_TOKEN_CLOSE_BRACKET, "']'");
    case OPEN_TUPLE:
        return take_separator(parser, open, TEXT_TOKEN_CLOSE_BRACE, "',' or '}'");
    case OPEN_KEY:
        return take_value(parser, open);
    case OPEN_VALUE:
        open->kind = OPEN_KEY;
        return take_separator(parser, open, TEXT_TOKEN_CLOSE_BRACE, "',' or '}'");
    case OPEN_PARENTHESIS:
        return take_only(parser, TEXT_TOKEN_CLOSE_PARENTHESIS, "')'");
    }
    return FAILED;
}

static enum text_parse_status parse(struct parser *parser)
{
    enum step step = WANT_TERM;
    bool first = true;
    while (step != FINISHED && step != FAILED) {
        if (!text_scan_next(&parser->scanner, &parser->token))
            return TEXT_ERROR;
        if (first && parser->token.kind == TEXT_TOKEN_END)
            return TEXT_NONE;
        first = false;
        step = step == WANT_TERM ? take_term(parser) : take_more(parser);
        if (step != FAILED && parser->message->failed)
            step = refuse(parser, OUT_OF_MEMORY);
    }
    return step == FINISHED ? TEXT_TERM : TEXT_ERROR;
}

/* How much of the text is the next term, its full stop included. */
static size_t term_length(struct span text)
{
    struct text_stop stop = {0};
    size_t length = 0;
    while (length < span_left(&text) && !text_stop_before(&stop, span_here(&text)[length]))
        length++;
    return length;
}

/* To the end of a term that was given up. */
static void give_up(struct text_scanner *scanner)
{
    uint8_t byte;
    while (span_take_u8(&scanner->input, &byte)) {
        if (byte == '\n')
            scanner->place = (struct text_place){scanner->place.line + 1, 1};
        else if ((byte & 0xC0) != 0x80) /* one for each character */
            scanner->place.column++;
    }
}

struct text_input text_input_of(const void *bytes, size_t length)
{
    return (struct text_input){.text = span_of(bytes, length), .place = {1, 1}};
}

enum text_parse_status text_parse_next(struct text_input *input, struct message *message, struct text_error *error)
{
    size_t start = message->length;
    struct parser parser = {
        .scanner = {.input = span_of(span_here(&input->text), term_length(input->text)),
                    .place = input->place,
                    .error = error},
        .message = message,
    };
    enum text_parse_status status = parse(&parser);
    if (status == TEXT_ERROR) {
        message->length = start;
        give_up(&parser.scanner);
    }
    span_take(&input->text, parser.scanner.input.position);
    input->place = parser.scanner.place;
    message_free(&parser.scanner.unescaped);
    free(parser.open);
    free(parser.keys.at);
    return status;
}
