/* Takes apart the terms of a frame. A term of another kind than expected is a finding. */
#ifndef PYTHONX_TESTS_FIELDS_H
#define PYTHONX_TESTS_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/span.h"

#define WORD_MAX 64

/* Each function takes the term at the span's position, and moves past it; the first, past its head alone. */
size_t take_tuple(struct span *span);
size_t take_list(struct span *span); /* without its tail, which for a list of terms is left in the span */
void take_atom(struct span *span, char word[WORD_MAX]);
long long take_integer(struct span *span);
struct span take_binary(struct span *span);
struct span take_term(struct span *span);

/* Takes the numbers of a list, which may have come as a string. Returns how many there were. */
size_t take_integers(struct span *span, long long *numbers, size_t most);

/* Returns true if the term is an integer, and stores its value. */
bool is_integer(struct span term, long long *value);

/* Finds the value of a map under the atom `key`. */
struct span map_get(struct span map, const char *key);
long long map_get_integer(struct span map, const char *key);

/* Finds the first tuple that begins with '$segment' in the term, past that atom. Returns its arity, or 0 if there is
 * none. */
size_t find_segment(struct span term, struct span *elements);

/* Finds the first binary of at least `length` bytes in the term. */
bool find_binary(struct span term, size_t length, struct span *bytes);

#endif
