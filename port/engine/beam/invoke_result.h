/* What the BEAM answered to a call from Python: {ok, Value}, or {error, Reason}, which becomes an erlang.Error. */
#ifndef PYTHONX_INVOKE_RESULT_H
#define PYTHONX_INVOKE_RESULT_H

#include "python/py_api.h"
#include "wire/request.h"

/* Adds the exception to the module; 0, or -1 with an error set. With the GIL, as the next. */
int invoke_result_start(PyObject *module);

/* New reference to the value of a `reply` request, which is freed; NULL with an error set. */
PyObject *invoke_result_take(struct request *answer);

#endif
