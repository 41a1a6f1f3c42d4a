/* Defines literal bytes for tables of tests, and copies of them that end where their memory ends. */
#ifndef PYTHONX_TESTS_BYTES_H
#define PYTHONX_TESTS_BYTES_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A literal's bytes and their count, without the NUL behind them: for initializers and for argument lists. */
#define BYTES(literal) (literal), sizeof(literal) - 1

/* Returns a copy of exactly this size, which the caller must free: an address sanitizer detects each read beyond it. */
static inline unsigned char *bytes_copy(const void *bytes, size_t length)
{
    unsigned char *copy = malloc(length);
    if (length > 0 && copy == NULL)
        abort();
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

#endif
