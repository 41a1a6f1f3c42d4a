/* Sends records of Python's logging (log.py) as events. */
#ifndef PYTHONX_LOG_H
#define PYTHONX_LOG_H

#include "python/py_api.h"

/* Makes log(level, fields): the level's name in the BEAM, and a dict of the record's fields. With the GIL. */
PyObject *log_send_function(PyObject *self, PyObject *arguments);

#endif
