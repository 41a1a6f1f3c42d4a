/* Reads `{'$segment', Number, Offset, Length}` in a request: bytes that the client wrote into a segment. Needs the GIL.
 */
#ifndef PYTHONX_SEGMENT_REF_H
#define PYTHONX_SEGMENT_REF_H

#include <stdbool.h>
#include <stddef.h>

#include "python/py_api.h"
#include "wire/span.h"

/* Reads a reference if the span stands behind the head of one, a tuple of `arity` elements. Returns true then, and
 * moves past the tuple: *buffer is a new reference to a buffer of *length bytes at *bytes, or NULL with a ValueError if
 * the segment is not leased to the client. Returns false, without a move, for any other tuple. */
bool segment_ref_read(struct span *span, size_t arity, unsigned char **bytes, size_t *length, PyObject **buffer);

#endif
