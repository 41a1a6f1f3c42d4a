/* Decodes terms without elements: numbers, atoms, binaries, opaque terms. All functions need the GIL, and return a new
 * reference, or NULL with an error set. */
#ifndef PYTHONX_DECODE_LEAF_H
#define PYTHONX_DECODE_LEAF_H

#include <math.h>

#include "codec/decode.h"
#include "wire/term.h"

/* The size of tag and length. */
#define DECODE_BINARY_HEAD ((size_t)5)

PyObject *decode_integer(const struct term_head *head);
PyObject *decode_float(const struct decoder *decoder, const struct term_head *head);
PyObject *decode_atom(const struct decoder *decoder, const struct term_head *head);
PyObject *decode_string(const struct term_head *head);
PyObject *decode_opaque(struct decoder *decoder, const struct term_head *head);

/* Decodes a binary, whose bytes may lie outside the frame; `start` is the position of its term in it. Keys of maps come
 * from a cache. */
PyObject *decode_binary(const struct decoder *decoder, const unsigned char *start, const unsigned char *data,
                        size_t length, bool is_key);

/* Returns the size of a frequent leaf; 0 for any other term, and for one that is cut off. */
static inline size_t decode_frequent_size(const unsigned char *at, size_t left)
{
    if (left < DECODE_BINARY_HEAD)
        return left >= 2 && at[0] == TERM_TAG_SMALL_INTEGER ? 2 : 0;
    switch (at[0]) {
    case TERM_TAG_SMALL_INTEGER:
        return 2;
    case TERM_TAG_INTEGER:
        return 5;
    case TERM_TAG_NEW_FLOAT:
        return left >= 9 && isfinite(span_double_at(at + 1)) ? 9 : 0;
    case TERM_TAG_BINARY:
        return span_u32_at(at + 1) <= left - DECODE_BINARY_HEAD ? DECODE_BINARY_HEAD + span_u32_at(at + 1) : 0;
    default:
        return 0;
    }
}

/* Decodes the terms that large values mostly consist of in a short way. Returns false, without a move, for any other
 * term and for an invalid one: the usual way reports what is wrong. */
static inline bool decode_frequent(struct decoder *decoder, bool is_key, PyObject **object)
{
    const unsigned char *at = span_here(&decoder->span);
    size_t size = decode_frequent_size(at, span_left(&decoder->span));
    if (size == 0)
        return false;
    decoder->span.position += size;
    if (at[0] == TERM_TAG_SMALL_INTEGER)
        *object = PyLong_FromLong(at[1]);
    else if (at[0] == TERM_TAG_INTEGER)
        *object = PyLong_FromLong((int32_t)span_u32_at(at + 1));
    else if (at[0] == TERM_TAG_NEW_FLOAT)
        *object = PyFloat_FromDouble(span_double_at(at + 1));
    else
        *object = decode_binary(decoder, at, at + DECODE_BINARY_HEAD, size - DECODE_BINARY_HEAD, is_key);
    return true;
}

/* Returns the object of the next term, whatever that is. */
static inline PyObject *decode_next(struct decoder *decoder)
{
    PyObject *leaf;
    return decode_frequent(decoder, false, &leaf) ? leaf : decode_any(decoder);
}

#endif
