/* Memory that Python objects look at without a copy: a frame's buffer, or a segment. Exports the buffer protocol,
 * writable. All functions need the GIL. */
#ifndef PYTHONX_MEMORY_H
#define PYTHONX_MEMORY_H

#include "python.h"

int memory_start(void);

/* New reference. `release(owner)` is called once, with the GIL, when nobody looks at the bytes any more. NULL with an
 * error set: the owner stays the caller's. */
PyObject *memory_new(void *bytes, size_t length, void (*release)(void *owner), void *owner);

/* New reference: a part of `whole`, which it keeps alive. The part lies in it. */
PyObject *memory_part(PyObject *whole, const void *bytes, size_t length);

#endif
