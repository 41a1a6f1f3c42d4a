/* sys.stdout and sys.stderr as events of the running request. */
#ifndef PYTHONX_OUTPUT_H
#define PYTHONX_OUTPUT_H

#include "python.h"
#include "span.h"
#include "writer.h"

/* The writer is borrowed for good. */
void output_start(struct writer *writer);

/* Whose output it is from now on: the id's term, or an empty span for nobody's. Needs the GIL. */
void output_attribute(struct span id);

/* The function that bootstrap.py writes to: output(fd, bytes), fd being 1 or 2. */
PyObject *output_write(PyObject *self, PyObject *arguments);

#endif
