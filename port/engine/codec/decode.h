/* Decodes terms to objects, by the table in PROTOCOL.md. All functions need the GIL. */
#ifndef PYTHONX_DECODE_H
#define PYTHONX_DECODE_H

#include <stdbool.h>

#include "codec/value_path.h"
#include "python/py_api.h"
#include "wire/request.h"
#include "wire/span.h"

/* For functions that need much stack: inlined, they would take it at each level of a nested term. */
#define DECODE_NO_STACK __attribute__((noinline))

struct decoder {
    struct span span;        /* the whole frame, at the term to decode */
    bool names;              /* at the map to decode: its keys are names, str whatever binaries become */
    bool bytes;              /* binaries become bytes, not str */
    bool keep_references;    /* {'$ref', N} stays a tuple, and %PythonxPort.Object{} a dict */
    bool hashable;           /* inside a key or a set: sets become frozensets */
    bool moved;              /* an array's bytes were moved: the frame cannot be read again */
    struct request *request; /* the request whose frame it is: arrays may use its bytes; NULL: they get copies */
    unsigned depth;
    struct value_path path;
};

int decode_start(void);

static inline struct decoder decoder_of(struct span span, bool bytes)
{
    return (struct decoder){.span = span, .bytes = bytes};
}

/* Returns a new reference to the object of the term at the span's position, which moves past it. Returns NULL with an
 * error set: a DecodeError, whose message names the place after `name`, or what Python raised. The object keeps no
 * bytes of the span. */
PyObject *decode_term(struct decoder *decoder, const char *name);

/* Decodes the next term, for the parts of the decoder. Returns a new reference; NULL with an error set that has no path
 * yet. */
PyObject *decode_any(struct decoder *decoder);

#endif
