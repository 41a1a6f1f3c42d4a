/* Takes apart the terms of a frame, with wire/term.h. */
#include "fields.h"

#include <stdio.h>
#include <stdlib.h>

#include "history.h"
#include "wire/term.h"

static struct term_head take_head(struct span *span, enum term_kind kind, const char *name)
{
    struct term_head head;
    if (term_read_head(span, &head) != TERM_OK || head.kind != kind)
        finding("a frame has no %s where one is due", name);
    return head;
}

size_t take_tuple(struct span *span)
{
    return take_head(span, TERM_TUPLE, "tuple").children;
}

size_t take_list(struct span *span)
{
    struct term_head head;
    if (term_read_head(span, &head) != TERM_OK || (head.kind != TERM_LIST && head.kind != TERM_NIL))
        finding("a frame has no list where one is due");
    return head.kind == TERM_NIL ? 0 : head.children - 1;
}

void take_atom(struct span *span, char word[WORD_MAX])
{
    struct term_head head = take_head(span, TERM_ATOM, "atom");
    snprintf(word, WORD_MAX, "%.*s", (int)head.length, (const char *)head.data);
}

long long take_integer(struct span *span)
{
    long long value = 0;
    struct term_head head = take_head(span, TERM_INTEGER, "integer");
    if (!term_integer(&head, &value))
        finding("a frame has an integer of more than 64 bits");
    return value;
}

struct span take_binary(struct span *span)
{
    struct term_head head = take_head(span, TERM_BINARY, "binary");
    return span_of(head.data, head.length);
}

struct span take_term(struct span *span)
{
    const unsigned char *start = span_here(span);
    if (term_skip(span) != TERM_OK)
        finding("a frame holds fewer terms than its tuple says");
    return span_of(start, (size_t)(span_here(span) - start));
}

size_t take_integers(struct span *span, long long *numbers, size_t most)
{
    struct span before = *span;
    struct term_head head;
    if (term_read_head(span, &head) == TERM_OK && head.kind == TERM_STRING) {
        for (size_t i = 0; i < head.length && i < most; i++)
            numbers[i] = head.data[i];
        return head.length;
    }
    *span = before;
    size_t count = take_list(span);
    for (size_t i = 0; i < count; i++) {
        long long number = take_integer(span);
        if (i < most)
            numbers[i] = number;
    }
    if (count > 0)
        take_list(span); /* the tail */
    return count;
}

bool is_integer(struct span term, long long *value)
{
    struct term_head head;
    return term_read_head(&term, &head) == TERM_OK && head.kind == TERM_INTEGER && term_integer(&head, value);
}

struct span map_get(struct span map, const char *key)
{
    size_t pairs = take_head(&map, TERM_MAP, "map").children / 2;
    for (size_t i = 0; i < pairs; i++) {
        struct span name = take_term(&map), value = take_term(&map);
        struct term_head head;
        if (term_read_head(&name, &head) == TERM_OK && term_is_atom(&head, key))
            return value;
    }
    finding("a map has no key %s", key);
}

long long map_get_integer(struct span map, const char *key)
{
    struct span value = map_get(map, key);
    return take_integer(&value);
}

size_t find_segment(struct span term, struct span *elements)
{
    while (span_left(&term) > 0) {
        struct term_head head, first;
        if (term_read_head(&term, &head) != TERM_OK)
            return 0;
        *elements = term;
        if (head.kind == TERM_TUPLE && head.children > 0 && term_read_head(elements, &first) == TERM_OK &&
            term_is_atom(&first, "$segment"))
            return head.children;
    }
    return 0;
}

bool find_binary(struct span term, size_t length, struct span *bytes)
{
    while (span_left(&term) > 0) {
        struct term_head head;
        if (term_read_head(&term, &head) != TERM_OK)
            return false;
        *bytes = span_of(head.data, head.length);
        if (head.kind == TERM_BINARY && head.length >= length)
            return true;
    }
    return false;
}
