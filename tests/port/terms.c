/* Reads and prints terms recursively. A tuple's arity is before its elements, so each sequence is read twice: first
 * without a message, to count. */
#include "terms.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>
#include <ei.h>

#include "wire/term.h"

/* -- from the notation -------------------------------------------------------------------------------------------- */

struct format {
    const char *at;
    va_list arguments;
};

static void put(struct message *message, struct format *format);

static void skip_space(struct format *format)
{
    while (*format->at == ' ')
        format->at++;
}

static bool skip_word(struct format *format, const char *word)
{
    skip_space(format);
    if (strncmp(format->at, word, strlen(word)) != 0)
        return false;
    format->at += strlen(word);
    return true;
}

static void copy_format(struct format *copy, struct format *format)
{
    copy->at = format->at;
    va_copy(copy->arguments, format->arguments);
}

/* Reads the elements up to `end`; returns how many there were. */
static uint32_t put_elements(struct message *message, struct format *format, const char *end, bool pairs)
{
    uint32_t count = 0;
    while (!skip_word(format, end)) {
        if (count > 0)
            ck_assert_msg(skip_word(format, ","), "terms: expected a comma at: %s", format->at);
        put(message, format);
        if (pairs) {
            ck_assert_msg(skip_word(format, "=>"), "terms: expected => at: %s", format->at);
            put(message, format);
        }
        count++;
    }
    return count;
}

static uint32_t count_elements(struct format *format, const char *end, bool pairs)
{
    struct format copy;
    copy_format(&copy, format);
    uint32_t count = put_elements(NULL, &copy, end, pairs);
    va_end(copy.arguments);
    return count;
}

static void put_sequence(struct message *message, struct format *format, const char *end, bool pairs,
                         void (*put_head)(struct message *, uint32_t))
{
    uint32_t count = count_elements(format, end, pairs);
    if (message != NULL && put_head != NULL)
        put_head(message, count);
    put_elements(message, format, end, pairs);
}

static void put_list_head(struct message *message, uint32_t count)
{
    if (count > 0)
        message_put_list(message, count);
}

static void put_number(struct message *message, struct format *format)
{
    char *integer_end, *float_end;
    long long integer = strtoll(format->at, &integer_end, 10);
    double floating = strtod(format->at, &float_end);
    if (message != NULL && float_end > integer_end)
        message_put_float(message, floating);
    else if (message != NULL)
        message_put_integer(message, integer);
    format->at = float_end > integer_end ? float_end : integer_end;
}

/* The arguments are taken even while it only counts. */
static void put_argument(struct message *message, struct format *format)
{
    struct message nowhere = {.failed = true};
    struct message *to = message != NULL ? message : &nowhere;
    switch (*format->at++) {
    case 's':
        message_put_text(to, va_arg(format->arguments, const char *));
        break;
    case 'a':
        message_put_atom_text(to, va_arg(format->arguments, const char *));
        break;
    case 'd':
        message_put_integer(to, va_arg(format->arguments, long long));
        break;
    case 'b': {
        const void *bytes = va_arg(format->arguments, const void *);
        message_put_binary(to, bytes, va_arg(format->arguments, size_t));
        break;
    }
    case 't':
        message_put_term(to, va_arg(format->arguments, struct span));
        break;
    default:
        ck_abort_msg("terms: unknown argument at: %s", format->at - 2);
    }
}

static void put_word(struct message *message, struct format *format)
{
    size_t length = 0;
    while (isalnum((unsigned char)format->at[length]) ||
           (format->at[length] != '\0' && strchr("_.$@", format->at[length])))
        length++;
    ck_assert_msg(length > 0, "terms: cannot be read: %s", format->at);
    if (message != NULL)
        message_put_atom(message, format->at, length);
    format->at += length;
}

static void put_quoted(struct message *message, struct format *format)
{
    size_t length = strcspn(format->at, "'");
    if (message != NULL)
        message_put_binary(message, format->at, length);
    format->at += length + 1;
}

static void put(struct message *message, struct format *format)
{
    if (skip_word(format, "{")) {
        put_sequence(message, format, "}", false, message_put_tuple);
    } else if (skip_word(format, "#{")) {
        put_sequence(message, format, "}", true, message_put_map);
    } else if (skip_word(format, "[")) {
        put_sequence(message, format, "]", false, put_list_head);
        if (message != NULL)
            message_put_nil_list(message);
    } else if (skip_word(format, "'")) {
        put_quoted(message, format);
    } else if (skip_word(format, "%")) {
        put_argument(message, format);
    } else if (isdigit((unsigned char)*format->at) || *format->at == '-') {
        put_number(message, format);
    } else {
        put_word(message, format);
    }
}

void terms_put_list(struct message *message, const char *text, va_list arguments)
{
    struct format format = {.at = text};
    va_copy(format.arguments, arguments);
    put(message, &format);
    skip_space(&format);
    ck_assert_msg(*format.at == '\0', "terms: more than one term: %s", format.at);
    va_end(format.arguments);
}

void terms_put(struct message *message, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    terms_put_list(message, format, arguments);
    va_end(arguments);
}

/* -- to the notation ---------------------------------------------------------------------------------------------- */

static bool show(FILE *out, struct span *span);

static bool show_number(FILE *out, const struct term_head *head)
{
    long long integer;
    double floating;
    int index = 0;
    if (head->kind == TERM_INTEGER && ei_decode_longlong((const char *)head->start, &index, &integer) == 0)
        return fprintf(out, "%lld", integer) > 0;
    if (head->kind == TERM_INTEGER)
        return fprintf(out, "<integer of %zu bytes>", head->length) > 0;
    if (ei_decode_double((const char *)head->start, &index, &floating) != 0)
        return false;
    char text[32];
    snprintf(text, sizeof text, "%.15g", floating);
    return fprintf(out, "%s%s", text, strpbrk(text, ".en") == NULL ? ".0" : "") > 0;
}

static bool show_children(FILE *out, struct span *span, size_t count, const char *end)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            fputs(",", out);
        if (!show(out, span))
            return false;
    }
    fputs(end, out);
    return true;
}

static bool show_list(FILE *out, struct span *span, size_t length)
{
    struct term_head tail;
    fputs("[", out);
    if (!show_children(out, span, length, ""))
        return false;
    struct span before = *span;
    if (term_read_head(span, &tail) != TERM_OK)
        return false;
    *span = before;
    if (tail.kind != TERM_NIL)
        fputs("|", out);
    bool shown = tail.kind == TERM_NIL ? term_skip(span) == TERM_OK : show(out, span);
    fputs("]", out);
    return shown;
}

static bool show_map(FILE *out, struct span *span, size_t pairs)
{
    fputs("#{", out);
    for (size_t i = 0; i < pairs; i++) {
        if (i > 0)
            fputs(",", out);
        if (!show(out, span) || fputs("=>", out) < 0 || !show(out, span))
            return false;
    }
    fputs("}", out);
    return true;
}

static bool show_leaf(FILE *out, const struct term_head *head)
{
    static const char *const names[] = {
        [TERM_BITSTRING] = "<bitstring>", [TERM_PID] = "<pid>", [TERM_PORT] = "<port>",
        [TERM_REFERENCE] = "<reference>", [TERM_FUN] = "<fun>",
    };
    fputs(names[head->kind], out);
    return true;
}

static bool show_string(FILE *out, const struct term_head *head)
{
    for (size_t i = 0; i < head->length; i++)
        fprintf(out, "%s%d", i == 0 ? "[" : ",", head->data[i]);
    fputs("]", out);
    return true;
}

static bool show(FILE *out, struct span *span)
{
    struct term_head head;
    if (term_read_head(span, &head) != TERM_OK)
        return false;
    switch (head.kind) {
    case TERM_INTEGER:
    case TERM_FLOAT:
        return show_number(out, &head);
    case TERM_ATOM:
        return fwrite(head.data, 1, head.length, out) == head.length;
    case TERM_BINARY:
        return fprintf(out, "'%.*s'", (int)head.length, (const char *)head.data) > 0;
    case TERM_STRING:
        return show_string(out, &head);
    case TERM_NIL:
        return fputs("[]", out) >= 0;
    case TERM_TUPLE:
        fputs("{", out);
        return show_children(out, span, head.children, "}");
    case TERM_LIST:
        return show_list(out, span, head.children - 1);
    case TERM_MAP:
        return show_map(out, span, head.children / 2);
    case TERM_BITSTRING:
    case TERM_PID:
    case TERM_PORT:
    case TERM_REFERENCE:
    case TERM_FUN:
        return show_leaf(out, &head);
    }
    return false;
}

char *terms_show(struct span span)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(out);
    if (!show(out, &span))
        fprintf(out, "<not a term, from byte %zu>", span.position);
    else if (span_left(&span) > 0)
        fprintf(out, "<and %zu more bytes>", span_left(&span));
    fclose(out);
    return text;
}
