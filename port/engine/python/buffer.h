/* Makes objects for memory that Python uses without a copy: that of a frame, or of a segment. They export the buffer
 * protocol, writable. All functions need the GIL. */
#ifndef PYTHONX_BUFFER_H
#define PYTHONX_BUFFER_H

#include "python/py_api.h"

int buffer_start(void);

/* New reference. `release(owner)` is called once, with the GIL, when the last view of the bytes is gone. NULL with an
 * error set: the owner stays the caller's. */
PyObject *buffer_new(void *bytes, size_t length, void (*release)(void *owner), void *owner);

/* New reference: a part of `whole`, which it keeps alive. The part lies in it. */
PyObject *buffer_slice(PyObject *whole, const void *bytes, size_t length);

#endif
