/* Makes Python objects for memory that is used without a copy: that of a frame, or of a segment. They export the buffer
 * protocol, writable. All functions need the GIL. */
#ifndef PYTHONX_BUFFER_H
#define PYTHONX_BUFFER_H

#include "python/py_api.h"

int buffer_start(void);

/* Returns a new reference. `release(owner)` is called once, with the GIL, when the last view of the bytes is gone.
 * Returns NULL with an error set; the caller then keeps ownership of `owner`. */
PyObject *buffer_new(void *bytes, size_t length, void (*release)(void *owner), void *owner);

/* Returns a new reference to a part of `whole`, which it keeps alive. The bytes must lie in it. */
PyObject *buffer_slice(PyObject *whole, const void *bytes, size_t length);

#endif
