/* Allocates NumPy's arrays in segments, so that a result need not be copied into one (NEP 49). Memory of results that
 * the client has read is used again for the data of large arrays; if there is none, NumPy's own allocator is used. All
 * functions need the GIL. */
#ifndef PYTHONX_NUMPY_ALLOCATOR_H
#define PYTHONX_NUMPY_ALLOCATOR_H

#include <stdbool.h>

#include "python/py_api.h"

/* Installs the handler once code has imported NumPy. Must be called before each request, on the main thread. Never
 * imports NumPy, and never leaves an error set. */
void numpy_allocator_offer(void);

/* Returns true if the array is a temporary, whose data is freed with it: the caller holds `references` references to
 * it, and there are no others, nor any to the array that it is a view of. */
bool numpy_allocator_is_temporary(PyObject *array, Py_ssize_t references);

#endif
