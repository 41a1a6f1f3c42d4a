/* Reads the option map of a request. */
#ifndef PYTHONX_REQUEST_OPTIONS_H
#define PYTHONX_REQUEST_OPTIONS_H

#include "python/context.h"

/* Reads the map at the span's position and moves past it. Returns 0, or -1 with a DecodeError or a BadRequest set. The
 * caller must free the result with request_options_free in either case. */
int request_options_read(struct span *span, struct request_options *options);
void request_options_free(struct request_options *options);

#endif
