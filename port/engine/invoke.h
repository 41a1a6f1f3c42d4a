/* What Python tells the BEAM by itself: messages to processes, and that a function is to be called. With the GIL. */
#ifndef PYTHONX_INVOKE_H
#define PYTHONX_INVOKE_H

#include "python.h"
#include "writer.h"

/* The writer is borrowed for good. */
void invoke_start(struct writer *writer);

/* Asks for the call of that number; -1 with an error set. */
int invoke_send(unsigned long long number, PyObject *target, PyObject *arguments);

/* Nobody waits for its answer any more. Keeps the current error. */
void invoke_abandon(unsigned long long number);

/* erlang.send(dest, term) */
PyObject *invoke_message_function(PyObject *self, PyObject *arguments);

#endif
