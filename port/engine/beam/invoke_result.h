/* Reads the BEAM's answer to a call from Python: {ok, Value}, or {error, Reason}, which becomes an erlang.Error. With
 * the GIL. */
#ifndef PYTHONX_INVOKE_RESULT_H
#define PYTHONX_INVOKE_RESULT_H

#include "exec/invoke_table.h"
#include "python/py_api.h"

/* Adds the exception to the module. Returns 0, or -1 with an error set. */
int invoke_result_start(PyObject *module);

/* Returns a new reference to the value of an answered call, or NULL with an error set; frees the answer. */
PyObject *invoke_result_take(struct invocation *call);

#endif
