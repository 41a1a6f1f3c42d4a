/* Calls functions of the BEAM on behalf of tasks; the answers go to futures of the event loop. With the GIL. */
#ifndef PYTHONX_INVOKE_ASYNC_H
#define PYTHONX_INVOKE_ASYNC_H

#include "python/py_api.h"

/* The functions that event_loop.py calls: begin_call(future, target, args); abandon_call(future), whether it was
 * answered or not. */
PyObject *invoke_async_begin_function(PyObject *self, PyObject *arguments);
PyObject *invoke_async_abandon_function(PyObject *self, PyObject *future);

/* Hands answers to their futures. In the loop. */
void invoke_async_resolve(void);

#endif
