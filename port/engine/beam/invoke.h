/* Calls functions of the BEAM from Python, and waits for their answers. While a thread waits it runs the requests that
 * the called function makes within the call, so that the two sides may call each other to any depth. With the GIL. */
#ifndef PYTHONX_INVOKE_H
#define PYTHONX_INVOKE_H

#include "python/py_api.h"

PyObject *invoke_function(PyObject *self, PyObject *arguments); /* erlang.call(module, function, args) */

/* Calls a Fun. Returns a new reference to its value; NULL with an error set. */
PyObject *invoke_fun(PyObject *fun, PyObject *arguments, PyObject *keywords);

#endif
