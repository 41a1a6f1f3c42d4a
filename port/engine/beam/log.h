/* Records of Python's logging (logs.py) as events. */
#ifndef PYTHONX_LOG_H
#define PYTHONX_LOG_H

#include "python/py_api.h"
#include "wire/writer.h"

/* The writer is borrowed for good. */
void log_start(struct writer *writer);

/* log(level, fields): the level's name in the BEAM, and a dict of what is to be told. With the GIL. */
PyObject *log_send_function(PyObject *self, PyObject *arguments);

#endif
