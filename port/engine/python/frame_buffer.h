/* Lets Python objects use the bytes of a request's frame where they lie. All functions need the GIL. */
#ifndef PYTHONX_FRAME_BUFFER_H
#define PYTHONX_FRAME_BUFFER_H

#include "python/py_api.h"
#include "wire/request.h"

/* Returns the buffer of the request's whole frame, borrowed from the request: from now on it owns the frame's bytes.
 * Returns NULL with an error set. */
PyObject *frame_buffer_of(struct request *request);

#endif
