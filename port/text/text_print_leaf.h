/* The terms that hold no other terms, as text; each head was read by term_read_head. */
#ifndef PYTHONX_TEXT_PRINT_LEAF_H
#define PYTHONX_TEXT_PRINT_LEAF_H

#include "term.h"
#include "text_print.h"

/* `end` is where the term ends in the span it was read from. */
enum text_print_status text_print_leaf(FILE *out, const struct term_head *head, const unsigned char *end);

enum text_print_status text_print_of(enum term_status status);

/* A character between quotes of this kind. */
void text_print_quoted(FILE *out, uint32_t character, char quote);

/* False where the head is not an integer that is a printable character. */
bool text_print_is_character(const struct term_head *head, uint32_t *character);

#endif
