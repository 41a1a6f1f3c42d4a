/* Turns writes to sys.stdout and sys.stderr into events of the request whose code writes. All functions need the
 * GIL. */
#ifndef PYTHONX_OUTPUT_H
#define PYTHONX_OUTPUT_H

#include "python/context.h"
#include "python/py_api.h"

/* Sends what that request (NULL: code of none) wrote without a line end. Must not be called with an error set, and
 * leaves none. */
void output_flush(struct context *context);

/* Makes the functions that bootstrap.py writes to: output(fd, bytes) and flush_output(), where fd is 1 or 2. */
PyObject *output_write_function(PyObject *self, PyObject *arguments);
PyObject *output_flush_function(PyObject *self, PyObject *unused);

#endif
