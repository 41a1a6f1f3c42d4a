/* Decodes maps to dicts, and structs to the objects that they stand for. All functions need the GIL. */
#ifndef PYTHONX_DECODE_MAP_H
#define PYTHONX_DECODE_MAP_H

#include "codec/decode.h"
#include "wire/term.h"

/* Prepares the decoder. Returns 0, or -1 with an error set. */
int decode_map_start(void);

/* Decodes the map or struct behind whose head the span stands. Returns a new reference, or NULL with an error set. */
PyObject *decode_map(struct decoder *decoder, const struct term_head *head);

#endif
