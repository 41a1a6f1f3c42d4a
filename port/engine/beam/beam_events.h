/* What Python tells the BEAM by itself: messages to processes, and that a function is to be called. With the GIL. */
#ifndef PYTHONX_BEAM_EVENTS_H
#define PYTHONX_BEAM_EVENTS_H

#include "python/py_api.h"
#include "wire/writer.h"

/* The writer is borrowed for good. */
void beam_events_start(struct writer *writer);

/* Asks for the call of that number; -1 with an error set. */
int beam_events_invoke(unsigned long long number, PyObject *target, PyObject *arguments);

/* Nobody waits for its answer any more. Keeps the current error. */
void beam_events_abandon(unsigned long long number);

/* erlang.send(dest, term) */
PyObject *beam_events_send_function(PyObject *self, PyObject *arguments);

#endif
