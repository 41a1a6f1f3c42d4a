/* Reads the option map of a request. */
#ifndef PYTHONX_REQUEST_OPTIONS_H
#define PYTHONX_REQUEST_OPTIONS_H

#include "python/context.h"

/* Reads the map at the span's position and moves past it. -1 with a DecodeError or a BadRequest set. The result is to
 * be freed with request_options_free either way. */
int request_options_read(struct span *span, struct request_options *options);
void request_options_free(struct request_options *options);

#endif
