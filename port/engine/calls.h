/* Calls from Python to the BEAM, which wait for their answer. While a thread waits it runs the requests that the called
 * function makes within the call, so that the two sides may call each other to any depth. */
#ifndef PYTHONX_CALLS_H
#define PYTHONX_CALLS_H

#include "input.h"
#include "python.h"

/* Borrowed for good. The main thread reads its input by itself while it waits. */
void calls_start(struct input *input);

/* -- with the GIL: what module erlang has -- */

PyObject *calls_call_function(PyObject *self, PyObject *arguments); /* call(module, function, args) */

/* Calling a Fun; new reference to what it returned. */
PyObject *calls_call_fun(PyObject *fun, PyObject *arguments, PyObject *keywords);

/* For loop.py: begin_call(future, target, args); abandon_call(future), whether it was answered or not. */
PyObject *calls_begin_function(PyObject *self, PyObject *arguments);
PyObject *calls_abandon_function(PyObject *self, PyObject *future);

/* In the loop: gives answers to their futures. */
void calls_resolve(void);

#endif
