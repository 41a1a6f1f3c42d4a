/* Installs what handles signals: the interrupt of the main thread, Python's handlers while the main thread sleeps, and
 * SIGINT, which ends the process only if it comes from outside. */
#ifndef PYTHONX_SIGNALS_H
#define PYTHONX_SIGNALS_H

#include "python/py_api.h"

/* Has `handler` called for HANDOFF_SIGNAL (queue/handoff.h). Returns 0, or -1 with an error set. From the main
 * thread. */
int signals_start(PyObject *handler);

/* Has Python's signal handlers run even if a signal comes just before the main thread sleeps. Must be called again when
 * code may have changed the wakeup descriptor (signal.set_wakeup_fd), as event loops do. From the main thread. */
void signals_watch(void);
PyObject *signals_watch_function(PyObject *self, PyObject *unused); /* for event_loop.py */

/* Wakes the main thread if a signal came. From the reader thread, without the GIL, when the poller was notified. */
void signals_take(void);

#endif
