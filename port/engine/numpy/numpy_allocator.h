/* NumPy's arrays in segments, so that one that is a result need not be copied into a segment (NEP 49). Memory of
 * results that the client has read is taken for the data of large arrays; where there is none, NumPy allocates as ever.
 * All functions need the GIL. */
#ifndef PYTHONX_NUMPY_ALLOCATOR_H
#define PYTHONX_NUMPY_ALLOCATOR_H

#include <stdbool.h>

#include "python/py_api.h"

/* Before each request, on the main thread: the first time that NumPy is there, imported by somebody, it is told where
 * to allocate. Never imports NumPy, and never leaves an error set. */
void numpy_allocator_offer(void);

/* True where the array is about to go, and its data with it: the caller has `references` references to it, and nobody
 * else has any, nor to what it is a view of. */
bool numpy_allocator_is_temporary(PyObject *array, Py_ssize_t references);

#endif
