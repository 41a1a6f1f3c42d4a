/* Terms that hold others. Those that are open lie on a stack of their own: no term can overflow C's. */
#include "text_print.h"

#include <stdlib.h>

#include "text_char.h"
#include "text_number.h"
#include "text_print_leaf.h"

#define DEPTH_MAX 10000

struct open {
    enum term_kind kind; /* TERM_TUPLE, TERM_LIST or TERM_MAP */
    size_t left;         /* children to come; a list's last one is its tail */
    size_t done;
};

struct printer {
    FILE *out;
    struct span *term;
    struct open *open;
    size_t depth, room;
};

/* Goes through a list from its first element, also where its tail is one more list. True where it is proper and all
 * printable characters; the span is then past it. With an `out` it prints them. */
static bool walk_characters(struct span *list, size_t children, FILE *out)
{
    struct term_head head;
    uint32_t character;
    size_t count = 0;
    for (;; children--) {
        if (term_read_head(list, &head) != TERM_OK)
            return false;
        if (children == 1 && head.kind == TERM_LIST) {
            children = head.children + 1;
        } else if (children == 1 && head.kind == TERM_STRING) {
            for (size_t i = 0; i < head.length; i++) {
                if (!text_char_is_printable(head.data[i]))
                    return false;
                if (out != NULL)
                    text_print_quoted(out, head.data[i], '"');
            }
            return count + head.length > 0;
        } else if (children == 1) {
            return head.kind == TERM_NIL && count > 0;
        } else if (!text_print_is_character(&head, &character)) {
            return false;
        } else {
            count++;
            if (out != NULL)
                text_print_quoted(out, character, '"');
        }
    }
}

static bool print_characters(struct printer *printer, size_t children)
{
    struct span ahead = *printer->term;
    if (!walk_characters(&ahead, children, NULL))
        return false;
    fputc('"', printer->out);
    walk_characters(printer->term, children, printer->out);
    fputc('"', printer->out);
    return true;
}

static const char *opening(enum term_kind kind)
{
    return kind == TERM_TUPLE ? "{" : kind == TERM_MAP ? "#{" : "[";
}

static char closing(enum term_kind kind)
{
    return kind == TERM_LIST ? ']' : '}';
}

static enum text_print_status push(struct printer *printer, const struct term_head *head)
{
    if (printer->depth == DEPTH_MAX)
        return TEXT_PRINT_TOO_DEEP;
    if (printer->depth == printer->room) {
        size_t room = printer->room > 0 ? 2 * printer->room : 16;
        struct open *open = realloc(printer->open, room * sizeof *open);
        if (open == NULL)
            return TEXT_PRINT_NO_MEMORY;
        printer->open = open;
        printer->room = room;
    }
    printer->open[printer->depth++] = (struct open){.kind = head->kind, .left = head->children};
    fputs(opening(head->kind), printer->out);
    return TEXT_PRINT_OK;
}

/* Prints a leaf, or opens what holds other terms. On failure the span stands at the tag. */
static enum text_print_status print_term(struct printer *printer)
{
    struct term_head head;
    size_t start = printer->term->position;
    enum text_print_status status;
    do /* a list without elements is its tail */
        status = text_print_of(term_read_head(printer->term, &head));
    while (status == TEXT_PRINT_OK && head.kind == TERM_LIST && head.children == 1);
    if (status != TEXT_PRINT_OK)
        return status;
    if (head.kind == TERM_LIST && print_characters(printer, head.children))
        return TEXT_PRINT_OK;
    if (head.kind == TERM_LIST || head.kind == TERM_TUPLE || head.kind == TERM_MAP)
        status = push(printer, &head);
    else
        status = text_print_leaf(printer->out, &head, span_here(printer->term));
    if (status != TEXT_PRINT_OK)
        printer->term->position = start;
    return status;
}

static void print_bytes(struct printer *printer, struct open *list, const struct term_head *string)
{
    for (size_t i = 0; i < string->length; i++) {
        if (list->done++ > 0)
            fputc(',', printer->out);
        text_unsigned_print(printer->out, string->data[i]);
    }
}

/* The tail: nothing for the empty list, more elements for another list, else what follows '|'. */
static enum text_print_status print_tail(struct printer *printer, struct open *list)
{
    struct term_head head;
    struct span ahead = *printer->term;
    enum text_print_status status = text_print_of(term_read_head(&ahead, &head));
    if (status != TEXT_PRINT_OK)
        return status;
    list->left--;
    if (head.kind == TERM_LIST)
        list->left = head.children;
    else if (head.kind == TERM_STRING)
        print_bytes(printer, list, &head);
    else if (head.kind != TERM_NIL) {
        fputc('|', printer->out);
        return print_term(printer);
    }
    *printer->term = ahead;
    return TEXT_PRINT_OK;
}

/* One more child of the innermost term, with what separates it from the one before. */
static enum text_print_status print_child(struct printer *printer)
{
    struct open *open = &printer->open[printer->depth - 1];
    if (open->kind == TERM_LIST && open->left == 1)
        return print_tail(printer, open);
    if (open->kind == TERM_MAP && open->done % 2 == 1)
        fputs(" => ", printer->out);
    else if (open->done > 0)
        fputc(',', printer->out);
    open->left--;
    open->done++;
    return print_term(printer);
}

enum text_print_status text_print(FILE *out, struct span *term)
{
    struct printer printer = {.out = out, .term = term};
    enum text_print_status status = print_term(&printer);
    while (status == TEXT_PRINT_OK && printer.depth > 0) {
        const struct open *open = &printer.open[printer.depth - 1];
        if (open->left > 0) {
            status = print_child(&printer);
        } else {
            fputc(closing(open->kind), out);
            printer.depth--;
        }
    }
    free(printer.open);
    return status;
}

const char *text_print_status_text(enum text_print_status status)
{
    switch (status) {
    case TEXT_PRINT_OK:
        return term_status_text(TERM_OK);
    case TEXT_PRINT_TRUNCATED:
        return term_status_text(TERM_TRUNCATED);
    case TEXT_PRINT_COMPRESSED:
        return term_status_text(TERM_COMPRESSED);
    case TEXT_PRINT_UNKNOWN:
        return term_status_text(TERM_UNKNOWN);
    case TEXT_PRINT_MALFORMED:
        return term_status_text(TERM_MALFORMED);
    case TEXT_PRINT_TOO_DEEP:
        return "terms inside of terms, more than 10000 deep";
    case TEXT_PRINT_NO_MEMORY:
        return "out of memory";
    }
    return "malformed term";
}
