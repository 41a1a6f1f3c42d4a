/* Makes arrays by NumPy's C API, without a call into Python. The API is loaded for the first array, never at start. All
 * functions need the GIL. */
#ifndef PYTHONX_NUMPY_API_H
#define PYTHONX_NUMPY_API_H

#include <stdbool.h>

#include "python/py_api.h"

/* Returns false if there is no such API: NumPy cannot be imported, is older than 1.22, or has a newer ABI than that of
 * NumPy 2. Never leaves an error set. */
bool numpy_api_load(void);

/* Returns a new reference to a writable C-contiguous array of `rank` dimensions that lies at `bytes` and keeps `owner`
 * alive. Must not be called before numpy_api_load has returned true. */
PyObject *numpy_api_array(PyObject *dtype, int rank, const Py_ssize_t *shape, void *bytes, PyObject *owner);

#endif
