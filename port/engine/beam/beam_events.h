/* Sends what Python has for the BEAM besides replies: messages to processes, and calls of functions. With the GIL. */
#ifndef PYTHONX_BEAM_EVENTS_H
#define PYTHONX_BEAM_EVENTS_H

#include "python/py_api.h"

/* Returns 0, or -1 with a RuntimeError set in a forked child: the BEAM is the parent's, and the child must take no lock
 * of the session. */
int beam_events_refuse_in_child(void);

/* Sends the call of that number. Returns 0, or -1 with an error set. */
int beam_events_invoke(unsigned long long number, PyObject *target, PyObject *arguments);

/* Sends that the answer to the call is not needed any more. Keeps the current error. */
void beam_events_abandon(unsigned long long number);

/* Makes erlang.send(dest, term). */
PyObject *beam_events_send_function(PyObject *self, PyObject *arguments);

#endif
