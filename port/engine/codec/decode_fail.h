/* Sets the error of a term that cannot be decoded, with its place in the frame. All functions return NULL, and need the
 * GIL. */
#ifndef PYTHONX_DECODE_FAIL_H
#define PYTHONX_DECODE_FAIL_H

#include "codec/decode.h"
#include "wire/term.h"

PyObject *decode_fail_at(const struct decoder *decoder, const unsigned char *at, const char *what);

/* Sets the error of a term at the span's position. */
PyObject *decode_fail_status(const struct decoder *decoder, enum term_status status);

/* Adds the place to the current error if that is a ValueError without one; leaves any other as it is. */
PyObject *decode_fail_from_value_error(const struct decoder *decoder, const unsigned char *at);

#endif
