/* Includes NumPy's C API, for numpy_api.c and numpy_allocator.c alone. Built against NumPy 2 the engine serves
 * NumPy 1.22 and later at run time, built against NumPy 1 it serves 1.x
 * (https://numpy.org/doc/stable/dev/depending_on_numpy.html). */
#ifndef PYTHONX_NUMPY_HEADERS_H
#define PYTHONX_NUMPY_HEADERS_H

#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
/* One table of functions, which numpy_api_load fills in. */
#define PY_ARRAY_UNIQUE_SYMBOL pythonx_numpy_functions
#ifndef NUMPY_HEADERS_IMPORT
#    define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#endif
