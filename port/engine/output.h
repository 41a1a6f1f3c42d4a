/* sys.stdout and sys.stderr as events of the running request. All functions need the GIL. */
#ifndef PYTHONX_OUTPUT_H
#define PYTHONX_OUTPUT_H

#include "python.h"
#include "span.h"
#include "writer.h"

/* The writer is borrowed for good. */
void output_start(struct writer *writer);

/* Whose output it is from now on: the id's term, or an empty span for nobody's. */
void output_attribute(struct span id);

/* Sends what was written without a line end. Keeps no error, and must not be called with one set. */
void output_flush(void);

/* What bootstrap.py writes to: output(fd, bytes) and flush_output(), fd being 1 or 2. */
PyObject *output_write_function(PyObject *self, PyObject *arguments);
PyObject *output_flush_function(PyObject *self, PyObject *unused);

#endif
