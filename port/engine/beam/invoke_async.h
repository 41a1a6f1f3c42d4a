/* Calls functions of the BEAM on behalf of tasks, whose answers go to a future of the event loop. With the GIL. */
#ifndef PYTHONX_INVOKE_ASYNC_H
#define PYTHONX_INVOKE_ASYNC_H

#include "python/py_api.h"

/* For event_loop.py: begin_call(future, target, args); abandon_call(future), whether it was answered or not. */
PyObject *invoke_async_begin_function(PyObject *self, PyObject *arguments);
PyObject *invoke_async_abandon_function(PyObject *self, PyObject *future);

/* In the loop: gives answers to their futures. */
void invoke_async_resolve(void);

#endif
