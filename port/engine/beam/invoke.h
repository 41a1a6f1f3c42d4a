/* Calls from Python to the BEAM, which wait for their answer. While a thread waits it runs the requests that the called
 * function makes within the call, so that the two sides may call each other to any depth. */
#ifndef PYTHONX_INVOKE_H
#define PYTHONX_INVOKE_H

#include "python/py_api.h"
#include "session/reader.h"

/* Borrowed for good. The main thread reads its input by itself while it waits. */
void invoke_start(struct input *input);

/* -- with the GIL: what module erlang has -- */

PyObject *invoke_function(PyObject *self, PyObject *arguments); /* call(module, function, args) */

/* Calling a Fun; new reference to what it returned. */
PyObject *invoke_fun(PyObject *fun, PyObject *arguments, PyObject *keywords);

/* For loop.py: begin_call(future, target, args); abandon_call(future), whether it was answered or not. */
PyObject *invoke_async_begin_function(PyObject *self, PyObject *arguments);
PyObject *invoke_async_abandon_function(PyObject *self, PyObject *future);

/* In the loop: gives answers to their futures. */
void invoke_async_resolve(void);

#endif
