/* Tokens as erl_scan of Erlang's standard library cuts them. */
#include "text_scan.h"

#include <math.h>
#include <stdlib.h>

#include "text_char.h"

/* Of an unexpected token, as much as this is shown. */
#define SHOWN_CHARACTERS 40
/* The longest atom there is, in characters. */
#define ATOM_CHARACTERS_MAX 255
#define BASE_MAX 36
#define NOT_UTF8 "a byte that is not UTF-8"

static bool refuse_at(struct text_scanner *scanner, struct text_place place, const char *problem)
{
    *scanner->error = (struct text_error){.place = place, .problem = problem};
    return false;
}

bool text_scan_refuse(struct text_scanner *scanner, const struct text_token *token, const char *problem)
{
    return refuse_at(scanner, token->place, problem);
}

bool text_scan_unexpected(struct text_scanner *scanner, const struct text_token *token, const char *expected)
{
    *scanner->error = (struct text_error){.place = token->place, .expected = expected, .got = token->source};
    return false;
}

static void print_got(FILE *out, struct span got)
{
    if (got.length == 0) {
        fputs("the end of the text", out);
        return;
    }
    uint32_t first = got.bytes[0];
    bool bare = first >= 0x80 || text_char_continues_name(first) || strchr("\"'$", (int)first) != NULL;
    uint32_t character;
    if (!bare)
        fputc('\'', out);
    for (int shown = 0; shown < SHOWN_CHARACTERS && text_char_take(&got, &character); shown++)
        text_char_print(out, character >= ' ' && text_char_is_printable(character) ? character : ' ');
    if (span_left(&got) > 0)
        fputs("...", out);
    if (!bare)
        fputc('\'', out);
}

void text_error_print(FILE *out, const struct text_error *error)
{
    fprintf(out, "line %zu, column %zu: ", error->place.line, error->place.column);
    if (error->expected == NULL) {
        fputs(error->problem, out);
        return;
    }
    fprintf(out, "expected %s, got ", error->expected);
    print_got(out, error->got);
}

/* The byte that lies `ahead` of the position; -1 beyond the end. */
static int look(const struct text_scanner *scanner, size_t ahead)
{
    return ahead < span_left(&scanner->input) ? span_here(&scanner->input)[ahead] : -1;
}

static bool looks_at_digit(const struct text_scanner *scanner, size_t ahead, unsigned base)
{
    int byte = look(scanner, ahead);
    return byte >= 0 && text_char_digit((uint32_t)byte) < base;
}

static bool take(struct text_scanner *scanner, uint32_t *character)
{
    if (span_left(&scanner->input) == 0)
        return refuse_at(scanner, scanner->place, "the text ends inside a token");
    if (!text_char_take(&scanner->input, character))
        return refuse_at(scanner, scanner->place, NOT_UTF8);
    scanner->place.column++;
    if (*character == '\n')
        scanner->place = (struct text_place){scanner->place.line + 1, 1};
    return true;
}

/* Passes over ASCII that was looked at before, no newline among it. */
static void pass(struct text_scanner *scanner, size_t count)
{
    span_take(&scanner->input, count);
    scanner->place.column += count;
}

/* The character at the position; 0, which no token begins with, where there is none. */
static uint32_t peek(const struct text_scanner *scanner)
{
    struct span ahead = scanner->input;
    uint32_t character;
    return text_char_take(&ahead, &character) ? character : 0;
}

static void skip_space(struct text_scanner *scanner)
{
    uint32_t character;
    while (span_left(&scanner->input) > 0) {
        if (look(scanner, 0) == '%') {
            /* Bytes: what a comment holds need not be UTF-8. */
            while (look(scanner, 0) >= 0 && look(scanner, 0) != '\n')
                pass(scanner, 1);
        } else if (look(scanner, 0) == 0 || (peek(scanner) != 0 && text_char_is_space(peek(scanner)))) {
            take(scanner, &character);
        } else {
            break;
        }
    }
}

static void remember(struct text_scanner *scanner, uint32_t character)
{
    unsigned char utf8[4];
    message_put_raw(&scanner->unescaped, utf8, text_char_encode(utf8, character));
}

static struct span remembered(const struct text_scanner *scanner)
{
    return span_of(scanner->unescaped.bytes, scanner->unescaped.length);
}

/* \x41 and \x{1F600}, after the x. */
static bool take_hexadecimal(struct text_scanner *scanner, uint32_t *character)
{
    struct text_place place = scanner->place;
    bool braces = look(scanner, 0) == '{';
    if (braces)
        pass(scanner, 1);
    size_t digits = 0;
    *character = 0;
    while ((braces || digits < 2) && looks_at_digit(scanner, 0, 16)) {
        *character = *character * 16 + text_char_digit((uint32_t)look(scanner, 0));
        if (!text_char_is_unicode(*character) && *character > 0xFFFF)
            return refuse_at(scanner, place, "\\x with more than a character's number, which ends at 10FFFF");
        pass(scanner, 1);
        digits++;
    }
    if (braces ? digits == 0 || look(scanner, 0) != '}' : digits < 2)
        return refuse_at(scanner, place, "\\x wants two hexadecimal digits, or any number of them in braces");
    if (braces)
        pass(scanner, 1);
    return text_char_is_unicode(*character) || refuse_at(scanner, place, "\\x with a surrogate, which is no character");
}

/* What follows a backslash. */
static bool take_escape(struct text_scanner *scanner, uint32_t *character)
{
    if (looks_at_digit(scanner, 0, 8)) {
        *character = 0;
        for (int digits = 0; digits < 3 && looks_at_digit(scanner, 0, 8); digits++, pass(scanner, 1))
            *character = *character * 8 + text_char_digit((uint32_t)look(scanner, 0));
        return true;
    }
    if (!take(scanner, character))
        return false;
    if (*character == 'x')
        return take_hexadecimal(scanner, character);
    if (*character == '^') {
        if (!take(scanner, character))
            return false;
        if (*character != '\n')
            *character &= 31;
        return true;
    }
    char control = text_char_unescape(*character);
    if (control != 0)
        *character = (uint32_t)control;
    return true;
}

/* Between quotes; appends to what is remembered. */
static bool take_quoted(struct text_scanner *scanner, const struct text_token *token, unsigned char quote)
{
    uint32_t character;
    pass(scanner, 1);
    for (;;) {
        if (span_left(&scanner->input) == 0)
            return text_scan_refuse(scanner, token,
                                    quote == '"' ? "a string without an end" : "an atom without an end");
        if (!take(scanner, &character))
            return false;
        if (character == quote)
            return true;
        if (character == '\\' && !take_escape(scanner, &character))
            return false;
        remember(scanner, character);
    }
}

static bool scan_string(struct text_scanner *scanner, struct text_token *token)
{
    token->kind = TEXT_TOKEN_STRING;
    do {
        /* Since OTP 27 these begin a text of several lines; before, they were an empty string and one more. */
        if (look(scanner, 1) == '"' && look(scanner, 2) == '"')
            return refuse_at(scanner, scanner->place, "three quotes in a row: write a plain string with \\n in it");
        if (!take_quoted(scanner, token, '"'))
            return false;
        token->source.length = (size_t)(span_here(&scanner->input) - token->source.bytes);
        skip_space(scanner);
    } while (look(scanner, 0) == '"');
    token->text = remembered(scanner);
    return true;
}

static bool check_atom(struct text_scanner *scanner, const struct text_token *token)
{
    struct span text = token->text;
    uint32_t character;
    size_t characters = 0;
    while (text_char_take(&text, &character))
        characters++;
    return characters <= ATOM_CHARACTERS_MAX || text_scan_refuse(scanner, token, "an atom of more than 255 characters");
}

static bool scan_quoted_atom(struct text_scanner *scanner, struct text_token *token)
{
    token->kind = TEXT_TOKEN_ATOM;
    if (!take_quoted(scanner, token, '\''))
        return false;
    token->text = remembered(scanner);
    return check_atom(scanner, token);
}

static bool scan_name(struct text_scanner *scanner, struct text_token *token)
{
    uint32_t character;
    const unsigned char *start = span_here(&scanner->input);
    bool variable = text_char_starts_variable(peek(scanner));
    while (text_char_continues_name(peek(scanner)))
        take(scanner, &character);
    token->text = span_of(start, (size_t)(span_here(&scanner->input) - start));
    token->kind = TEXT_TOKEN_ATOM;
    if (variable || text_word(start, token->text.length) == TEXT_WORD_RESERVED)
        token->kind = TEXT_TOKEN_OTHER;
    if (token->text.length == 3 && memcmp(start, "fun", 3) == 0)
        token->kind = TEXT_TOKEN_FUN;
    return token->kind != TEXT_TOKEN_ATOM || check_atom(scanner, token);
}

static bool scan_character(struct text_scanner *scanner, struct text_token *token)
{
    token->kind = TEXT_TOKEN_CHARACTER;
    pass(scanner, 1);
    if (!take(scanner, &token->character))
        return false;
    return token->character != '\\' || take_escape(scanner, &token->character);
}

/* Digits, with an '_' between two of them at will. */
static struct span take_digits(struct text_scanner *scanner, unsigned base)
{
    const unsigned char *start = span_here(&scanner->input);
    while (looks_at_digit(scanner, 0, base)) {
        pass(scanner, 1);
        if (look(scanner, 0) == '_' && looks_at_digit(scanner, 1, base))
            pass(scanner, 1);
    }
    return span_of(start, (size_t)(span_here(&scanner->input) - start));
}

static bool scan_float(struct text_scanner *scanner, struct text_token *token)
{
    token->kind = TEXT_TOKEN_FLOAT;
    pass(scanner, 1);
    take_digits(scanner, 10);
    if (look(scanner, 0) == 'e' || look(scanner, 0) == 'E') {
        pass(scanner, 1);
        if (look(scanner, 0) == '+' || look(scanner, 0) == '-')
            pass(scanner, 1);
        if (take_digits(scanner, 10).length == 0)
            return refuse_at(scanner, scanner->place, "a float's exponent wants digits");
    }
    for (const unsigned char *at = token->source.bytes; at < span_here(&scanner->input); at++)
        if (*at != '_')
            message_put_raw(&scanner->unescaped, at, 1);
    message_put_raw(&scanner->unescaped, "", 1);
    if (scanner->unescaped.failed)
        return true; /* as for all tokens: the caller looks */
    /* The locale is "C": nothing in the launcher sets another one. */
    token->real = strtod((const char *)scanner->unescaped.bytes, NULL);
    return isfinite(token->real) || text_scan_refuse(scanner, token, "a float beyond the largest, about 1.8e308");
}

static bool scan_number(struct text_scanner *scanner, struct text_token *token)
{
    token->kind = TEXT_TOKEN_INTEGER;
    token->base = 10;
    token->text = take_digits(scanner, 10);
    if (look(scanner, 0) == '.' && looks_at_digit(scanner, 1, 10))
        return scan_float(scanner, token);
    if (look(scanner, 0) != '#')
        return true;
    token->base = 0;
    for (size_t i = 0; i < token->text.length && token->base <= BASE_MAX; i++)
        if (token->text.bytes[i] != '_')
            token->base = token->base * 10 + text_char_digit(token->text.bytes[i]);
    if (token->base < 2 || token->base > BASE_MAX)
        return text_scan_refuse(scanner, token, "an integer's base is 2 to 36");
    pass(scanner, 1);
    token->text = take_digits(scanner, token->base);
    return token->text.length > 0 ||
           refuse_at(scanner, scanner->place, "an integer wants digits of its base after '#'");
}

static bool scan_sign(struct text_scanner *scanner, struct text_token *token)
{
    static const struct {
        const char text[3];
        enum text_token_kind kind;
    } signs[] = {
        {"<<", TEXT_TOKEN_OPEN_BINARY},
        {">>", TEXT_TOKEN_CLOSE_BINARY},
        {"=>", TEXT_TOKEN_ARROW},
        {"+", TEXT_TOKEN_PLUS},
        {"-", TEXT_TOKEN_MINUS},
        {",", TEXT_TOKEN_COMMA},
        {":", TEXT_TOKEN_COLON},
        {"/", TEXT_TOKEN_SLASH},
        {"|", TEXT_TOKEN_BAR},
        {"#", TEXT_TOKEN_HASH},
        {"{", TEXT_TOKEN_OPEN_BRACE},
        {"}", TEXT_TOKEN_CLOSE_BRACE},
        {"[", TEXT_TOKEN_OPEN_BRACKET},
        {"]", TEXT_TOKEN_CLOSE_BRACKET},
        {"(", TEXT_TOKEN_OPEN_PARENTHESIS},
        {")", TEXT_TOKEN_CLOSE_PARENTHESIS},
    };
    uint32_t character;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (look(scanner, 0) == signs[i].text[0] &&
            (signs[i].text[1] == '\0' || look(scanner, 1) == signs[i].text[1])) {
            token->kind = signs[i].kind;
            pass(scanner, strlen(signs[i].text));
            return true;
        }
    bool point = look(scanner, 0) == '.';
    if (!take(scanner, &character))
        return false;
    if (point && (look(scanner, 0) <= ' ' || look(scanner, 0) == '%'))
        token->kind = TEXT_TOKEN_STOP;
    return true;
}

static bool scan(struct text_scanner *scanner, struct text_token *token)
{
    uint32_t first = peek(scanner);
    if (text_char_is_digit(first))
        return scan_number(scanner, token);
    if (text_char_starts_atom(first) || text_char_starts_variable(first))
        return scan_name(scanner, token);
    if (first == '"')
        return scan_string(scanner, token);
    if (first == '\'')
        return scan_quoted_atom(scanner, token);
    if (first == '$')
        return scan_character(scanner, token);
    return scan_sign(scanner, token);
}

bool text_scan_next(struct text_scanner *scanner, struct text_token *token)
{
    scanner->unescaped.length = 0;
    skip_space(scanner);
    const unsigned char *start = span_here(&scanner->input);
    *token = (struct text_token){.kind = TEXT_TOKEN_OTHER, .place = scanner->place, .source = span_of(start, 0)};
    if (span_left(&scanner->input) == 0) {
        token->kind = TEXT_TOKEN_END;
        return true;
    }
    if (!scan(scanner, token))
        return false;
    /* A string ends before the space in which another was looked for. */
    if (token->kind != TEXT_TOKEN_STRING)
        token->source.length = (size_t)(span_here(&scanner->input) - start);
    if (scanner->unescaped.failed)
        return text_scan_refuse(scanner, token, "out of memory");
    return true;
}
