/* Numbers as text: integers of any size, and floats in the fewest digits that read back the same. */
#ifndef PYTHONX_TEXT_NUMBER_H
#define PYTHONX_TEXT_NUMBER_H

#include <stdio.h>

#include "message.h"
#include "span.h"

struct text_integer {
    unsigned char *digits; /* of base 256, the lowest first, the last one not zero; malloc */
    size_t length;
    bool negative;
};

/* Reads digits of `base` (2 to 36) with an '_' here and there. False where memory is short. */
bool text_integer_read(struct text_integer *integer, struct span text, unsigned base);
void text_integer_free(struct text_integer *integer);

/* The same for what fits `most`; false where it is larger. */
bool text_integer_read_small(struct span text, unsigned base, unsigned long long most, unsigned long long *value);

/* Appends an integer whose magnitude needs 8 bytes or more. */
void text_integer_put(struct message *message, const struct text_integer *integer);

/* Prints in decimal. False where memory is short. */
bool text_integer_print(FILE *out, const unsigned char *digits, size_t length, bool negative);

void text_unsigned_print(FILE *out, unsigned long long value);

/* As Erlang prints it, always with a point; `value` is finite. */
void text_float_print(FILE *out, double value);

#endif
