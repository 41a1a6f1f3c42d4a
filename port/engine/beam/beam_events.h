/* Sends what Python has for the BEAM besides replies: messages to processes, and that a function is to be called. With
 * the GIL. */
#ifndef PYTHONX_BEAM_EVENTS_H
#define PYTHONX_BEAM_EVENTS_H

#include "python/py_api.h"

/* The BEAM is the parent's: -1 with a RuntimeError set in a forked child, which must take no lock of the session. */
int beam_events_refuse_in_child(void);

/* Asks for the call of that number; -1 with an error set. */
int beam_events_invoke(unsigned long long number, PyObject *target, PyObject *arguments);

/* Its answer is waited for no more. Keeps the current error. */
void beam_events_abandon(unsigned long long number);

/* erlang.send(dest, term) */
PyObject *beam_events_send_function(PyObject *self, PyObject *arguments);

#endif
