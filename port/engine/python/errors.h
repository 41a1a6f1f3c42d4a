/* The error that Python has set, as the object that it is (what PyErr_GetRaisedException does from Python 3.12 on). */
#ifndef PYTHONX_ERRORS_H
#define PYTHONX_ERRORS_H

#include "python/py_api.h"

/* New reference, with its traceback; the error is set no more. NULL where none was, or memory is too short for one. */
PyObject *errors_take(void);

/* The opposite: sets it, and takes the reference over. */
void errors_set(PyObject *exception);

#endif
