/* The option map of a request. */
#ifndef PYTHONX_REQUEST_OPTIONS_H
#define PYTHONX_REQUEST_OPTIONS_H

#include <stdbool.h>

#include "exec/compile.h"
#include "python/py_api.h"
#include "wire/span.h"

struct request_options {
    struct span bindings;       /* the map's term, or empty */
    bool bytes;                 /* binaries => bytes */
    size_t segments;            /* results of this many bytes or more through shared memory; 0: none */
    size_t batch;               /* a stream's items come so many at once at most; 0: each by itself */
    bool timing;                /* tell how long it waited and ran */
    bool return_ref;            /* return => ref */
    struct compile_place place; /* owns place.file */
};

/* Reads the map at the span's position and moves past it. -1 with a DecodeError or a BadRequest set. The result is to
 * be freed with request_options_free either way. */
int request_options_read(struct span *span, struct request_options *options);
void request_options_free(struct request_options *options);

#endif
