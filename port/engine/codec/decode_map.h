/* Decodes maps to dicts, and structs to the objects that they stand for. All functions need the GIL. */
#ifndef PYTHONX_DECODE_MAP_H
#define PYTHONX_DECODE_MAP_H

#include "codec/decode.h"
#include "wire/term.h"

/* 0, or -1 with an error set. */
int decode_map_start(void);

/* The span stands behind the head. New reference, or NULL with an error set. */
PyObject *decode_map(struct decoder *decoder, const struct term_head *head);

#endif
