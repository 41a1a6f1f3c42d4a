/* The error that Python has set, as the object that it is (what PyErr_GetRaisedException does from Python 3.12 on). */
#ifndef PYTHONX_EXCEPTION_H
#define PYTHONX_EXCEPTION_H

#include "python.h"

/* New reference, with its traceback; the error is set no more. NULL where none was, or memory is too short for one. */
PyObject *exception_take(void);

/* The opposite: sets it, and takes the reference over. */
void exception_set(PyObject *exception);

#endif
