/* Leaves: what each tag's payload means to a reader. */
#include "text_print_leaf.h"

#include <math.h>
#include <stdlib.h>

#include "text_char.h"
#include "text_number.h"

enum {
    SMALL_INTEGER = 97,
    INTEGER = 98,
    FLOAT_TEXT = 99,
    PID = 103,
    PORT = 102,
    REFERENCE = 101,
    EXPORT = 113,
    NEW_REFERENCE = 114
};

#define LOCAL_NODE "nonode@nohost"

enum text_print_status text_print_of(enum term_status status)
{
    switch (status) {
    case TERM_OK:
        return TEXT_PRINT_OK;
    case TERM_TRUNCATED:
        return TEXT_PRINT_TRUNCATED;
    case TERM_COMPRESSED:
        return TEXT_PRINT_COMPRESSED;
    case TERM_UNKNOWN:
        return TEXT_PRINT_UNKNOWN;
    case TERM_SAME_KEY:
    case TERM_TOO_DEEP:
    case TERM_NO_MEMORY:
    case TERM_MALFORMED:
        return TEXT_PRINT_MALFORMED;
    }
    return TEXT_PRINT_MALFORMED;
}

void text_print_quoted(FILE *out, uint32_t character, char quote)
{
    char letter = text_char_escape(character);
    if (character == (uint32_t)quote || character == '\\')
        fprintf(out, "\\%c", (char)character);
    else if (letter != 0)
        fprintf(out, "\\%c", letter);
    else if (character < ' ' || (character >= 0x7F && character < 0xA0))
        fprintf(out, "\\%03o", (unsigned)character);
    else
        text_char_print(out, character);
}

/* The 32 bits of an INTEGER, as a number. */
static int32_t small_value(const struct term_head *head)
{
    struct span data = span_of(head->data, head->length);
    uint32_t value = 0;
    span_take_u32(&data, &value);
    return (int32_t)value;
}

static void print_small(FILE *out, const struct term_head *head)
{
    int64_t value = small_value(head);
    if (value < 0)
        fputc('-', out);
    text_unsigned_print(out, (unsigned long long)(value < 0 ? -value : value));
}

static enum text_print_status print_integer(FILE *out, const struct term_head *head)
{
    if (head->tag == SMALL_INTEGER)
        text_unsigned_print(out, head->data[0]);
    else if (head->tag == INTEGER)
        print_small(out, head);
    else if (!text_integer_print(out, head->data, head->length, head->detail == 1))
        return TEXT_PRINT_NO_MEMORY;
    return TEXT_PRINT_OK;
}

bool text_print_is_character(const struct term_head *head, uint32_t *character)
{
    if (head->tag == SMALL_INTEGER)
        *character = head->data[0];
    else if (head->tag == INTEGER && small_value(head) >= 0)
        *character = (uint32_t)small_value(head);
    else
        return false;
    return text_char_is_printable(*character);
}

/* A float as text: digits padded with zero bytes, and nothing else that strtod would take. */
static bool read_float_text(const struct term_head *head, double *value)
{
    char *text = strndup((const char *)head->data, head->length);
    char *end = text;
    bool whole = text != NULL && text[0] != '\0' && text[strspn(text, "0123456789.eE+-")] == '\0';
    if (whole) {
        *value = strtod(text, &end);
        whole = *end == '\0';
    }
    free(text);
    return whole;
}

static enum text_print_status print_float(FILE *out, const struct term_head *head)
{
    double value = 0;
    uint64_t image = 0;
    if (head->tag == FLOAT_TEXT) {
        if (!read_float_text(head, &value))
            return TEXT_PRINT_MALFORMED;
    } else {
        for (size_t i = 0; i < head->length; i++)
            image = image << 8 | head->data[i];
        memcpy(&value, &image, sizeof value);
    }
    if (!isfinite(value))
        return TEXT_PRINT_MALFORMED;
    text_float_print(out, value);
    return TEXT_PRINT_OK;
}

static bool take_atom_character(const struct term_head *atom, struct span *text, uint32_t *character)
{
    uint8_t byte = 0;
    if (!term_atom_is_latin1(atom))
        return text_char_take(text, character);
    bool taken = span_take_u8(text, &byte);
    *character = byte;
    return taken;
}

static enum text_print_status print_atom(FILE *out, const struct term_head *atom)
{
    struct span text = span_of(atom->data, atom->length);
    uint32_t character;
    bool bare = text_word(atom->data, atom->length) == TEXT_WORD_FREE;
    for (bool first = true; span_left(&text) > 0; first = false) {
        if (!take_atom_character(atom, &text, &character))
            return TEXT_PRINT_MALFORMED;
        bare = bare && (first ? text_char_starts_atom(character) : text_char_continues_name(character));
    }
    bare = bare && atom->length > 0;
    if (!bare)
        fputc('\'', out);
    text.position = 0;
    while (take_atom_character(atom, &text, &character))
        text_print_quoted(out, character, '\'');
    if (!bare)
        fputc('\'', out);
    return TEXT_PRINT_OK;
}

static void print_numbers(FILE *out, const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (i > 0)
            fputc(',', out);
        text_unsigned_print(out, bytes[i]);
    }
}

static void print_bytes_quoted(FILE *out, const unsigned char *bytes, size_t length)
{
    fputc('"', out);
    for (size_t i = 0; i < length; i++)
        text_print_quoted(out, bytes[i], '"');
    fputc('"', out);
}

static bool are_printable(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!text_char_is_printable(bytes[i]))
            return false;
    return true;
}

static void print_string(FILE *out, const struct term_head *head)
{
    if (head->length > 0 && are_printable(head->data, head->length)) {
        print_bytes_quoted(out, head->data, head->length);
        return;
    }
    fputc('[', out);
    print_numbers(out, head->data, head->length);
    fputc(']', out);
}

enum binary_form { BINARY_LATIN1, BINARY_UTF8, BINARY_NUMBERS };

/* UTF-8 that can be shown; else, where it is no UTF-8 at all, Latin-1 that can be shown; else numbers. */
static enum binary_form form_of(const unsigned char *bytes, size_t length)
{
    struct span text = span_of(bytes, length);
    uint32_t character;
    bool ascii = true, printable = true;
    if (length == 0)
        return BINARY_NUMBERS;
    while (text_char_take(&text, &character)) {
        ascii = ascii && character < 0x80;
        printable = printable && text_char_is_printable(character);
    }
    if (span_left(&text) > 0)
        return are_printable(bytes, length) ? BINARY_LATIN1 : BINARY_NUMBERS;
    if (!printable)
        return BINARY_NUMBERS;
    return ascii ? BINARY_LATIN1 : BINARY_UTF8;
}

static void print_binary(FILE *out, const unsigned char *bytes, size_t length)
{
    struct span text = span_of(bytes, length);
    uint32_t character;
    fputs("<<", out);
    switch (form_of(bytes, length)) {
    case BINARY_LATIN1:
        print_bytes_quoted(out, bytes, length);
        break;
    case BINARY_UTF8:
        fputc('"', out);
        while (text_char_take(&text, &character))
            text_print_quoted(out, character, '"');
        fputs("\"/utf8", out);
        break;
    case BINARY_NUMBERS:
        print_numbers(out, bytes, length);
        break;
    }
    fputs(">>", out);
}

static void print_bitstring(FILE *out, const struct term_head *head)
{
    if (head->length == 0 || head->detail == 8) {
        print_binary(out, head->data, head->length);
        return;
    }
    size_t whole = head->length - 1;
    fputs("<<", out);
    print_numbers(out, head->data, whole);
    if (whole > 0)
        fputc(',', out);
    text_unsigned_print(out, head->data[whole] >> (8 - head->detail));
    fputc(':', out);
    text_unsigned_print(out, head->detail);
    fputs(">>", out);
}

/* "#Pid<node", or "<0" for a pid of a node without a name. */
static enum text_print_status print_node(FILE *out, const struct term_head *node, const char *what)
{
    bool local = term_is_atom(node, LOCAL_NODE);
    if (!local || strcmp(what, "Pid") != 0)
        fprintf(out, "#%s", what);
    fputc('<', out);
    if (!local)
        return print_atom(out, node);
    fputc('0', out);
    return TEXT_PRINT_OK;
}

static void print_word(FILE *out, struct span *words)
{
    uint32_t word = 0;
    span_take_u32(words, &word);
    fputc('.', out);
    text_unsigned_print(out, word);
}

static void print_port_number(FILE *out, const struct term_head *head)
{
    unsigned long long number = 0;
    /* Creation aside: of 1 byte in the oldest form and of 4 in the others. */
    size_t bytes = head->length - (head->tag == PORT ? 1 : 4);
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | head->data[i];
    fputc('.', out);
    text_unsigned_print(out, number);
}

/* The words of a reference, the last one first. */
static void print_reference_words(FILE *out, const struct term_head *head)
{
    struct span words = span_of(head->data, head->length);
    if (head->tag == REFERENCE) {
        print_word(out, &words);
        return;
    }
    size_t creation = head->tag == NEW_REFERENCE ? 1 : 4;
    for (size_t at = head->length; at >= creation + 4; at -= 4) {
        words.position = at - 4;
        print_word(out, &words);
    }
}

/* Pids, ports and references: the node's name is the atom after the tag, or after a count of words. */
static enum text_print_status print_identity(FILE *out, const struct term_head *head, const char *what)
{
    bool counted = head->kind == TERM_REFERENCE && head->tag != REFERENCE;
    struct span inside = span_of(head->start, (size_t)(head->data - head->start));
    struct term_head node;
    span_take(&inside, counted ? 3 : 1);
    enum text_print_status status = text_print_of(term_read_head(&inside, &node));
    if (status == TEXT_PRINT_OK)
        status = print_node(out, &node, what);
    if (status != TEXT_PRINT_OK)
        return status;
    struct span words = span_of(head->data, head->length);
    if (head->kind == TERM_PID) {
        print_word(out, &words);
        print_word(out, &words);
    } else if (head->kind == TERM_PORT) {
        print_port_number(out, head);
    } else {
        print_reference_words(out, head);
    }
    fputc('>', out);
    return TEXT_PRINT_OK;
}

/* Prints the next of a fun's parts, which has to be of this kind. */
static enum text_print_status print_part(FILE *out, struct span *parts, enum term_kind kind, const char *before)
{
    struct term_head part;
    enum text_print_status status = text_print_of(term_read_head(parts, &part));
    if (status != TEXT_PRINT_OK)
        return status;
    if (part.kind != kind)
        return TEXT_PRINT_MALFORMED;
    fputs(before, out);
    return kind == TERM_ATOM ? print_atom(out, &part) : print_integer(out, &part);
}

struct part {
    enum term_kind kind;
    const char *before;
};

static enum text_print_status print_fun(FILE *out, const struct term_head *head, const unsigned char *end)
{
    static const struct part exported[] = {{TERM_ATOM, "fun "}, {TERM_ATOM, ":"}, {TERM_INTEGER, "/"}};
    static const struct part closure[] = {{TERM_ATOM, "#Fun<"}, {TERM_INTEGER, "."}, {TERM_INTEGER, "."}};
    const struct part *part = head->tag == EXPORT ? exported : closure;
    struct span parts = span_of(head->start, (size_t)(end - head->start));
    /* The tag alone, or in a closure also: size, arity, hash, index and number of free variables. */
    enum text_print_status status = TEXT_PRINT_OK;
    if (span_take(&parts, head->tag == EXPORT ? 1 : 1 + 4 + 1 + 16 + 4 + 4) == NULL)
        return TEXT_PRINT_MALFORMED;
    for (int i = 0; i < 3 && status == TEXT_PRINT_OK; i++)
        status = print_part(out, &parts, part[i].kind, part[i].before);
    if (head->tag != EXPORT)
        fputc('>', out);
    return status;
}

enum text_print_status text_print_leaf(FILE *out, const struct term_head *head, const unsigned char *end)
{
    switch (head->kind) {
    case TERM_INTEGER:
        return print_integer(out, head);
    case TERM_FLOAT:
        return print_float(out, head);
    case TERM_ATOM:
        return print_atom(out, head);
    case TERM_NIL:
        fputs("[]", out);
        return TEXT_PRINT_OK;
    case TERM_STRING:
        print_string(out, head);
        return TEXT_PRINT_OK;
    case TERM_BINARY:
        print_binary(out, head->data, head->length);
        return TEXT_PRINT_OK;
    case TERM_BITSTRING:
        print_bitstring(out, head);
        return TEXT_PRINT_OK;
    case TERM_PID:
        return print_identity(out, head, "Pid");
    case TERM_PORT:
        return print_identity(out, head, "Port");
    case TERM_REFERENCE:
        return print_identity(out, head, "Ref");
    case TERM_FUN:
        return print_fun(out, head, end);
    case TERM_TUPLE:
    case TERM_MAP:
    case TERM_LIST:
        break; /* these are text_print.c's */
    }
    return TEXT_PRINT_MALFORMED;
}
