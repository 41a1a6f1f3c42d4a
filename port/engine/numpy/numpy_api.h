/* NumPy's C API: arrays made without a detour through Python. It is loaded when the first array passes, never at start.
 * All functions need the GIL. */
#ifndef PYTHONX_NUMPY_API_H
#define PYTHONX_NUMPY_API_H

#include <stdbool.h>

#include "python/py_api.h"

/* False where there is no such API: built without NumPy's headers, or the NumPy at run time has another ABI. Never
 * leaves an error set. */
bool numpy_api_load(void);

/* After numpy_api_load said true. New reference: a writable C-contiguous array of `rank` dimensions that lies at
 * `bytes` and keeps `owner` alive. */
PyObject *numpy_api_array(PyObject *dtype, int rank, const Py_ssize_t *shape, void *bytes, PyObject *owner);

#endif
