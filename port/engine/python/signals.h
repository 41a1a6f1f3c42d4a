/* Installs what the session does at signals: the interrupt of the main thread, Python's handlers while the main thread
 * sleeps, and SIGINT, which ends the process only if it comes from outside. */
#ifndef PYTHONX_SIGNALS_H
#define PYTHONX_SIGNALS_H

#include <stdbool.h>

#include "python/py_api.h"

/* Before Python starts, once the poller is open: opens the pipe by which signals reach the reader thread. Returns
 * false, with errno, if that is not possible. */
bool signals_open(void);

/* From the main thread: `handler` is called for HANDOFF_SIGNAL (queue/handoff.h). 0, or -1 with an error set. */
int signals_start(PyObject *handler);

/* From the main thread: has Python's signal handlers run also if a signal comes just before the main thread sleeps. To
 * be called again when code may have changed the wakeup descriptor (signal.set_wakeup_fd), as event loops do. */
void signals_watch(void);
PyObject *signals_watch_function(PyObject *self, PyObject *unused); /* for event_loop.py */

/* From the reader thread, without the GIL, when the poller was notified: wakes the main thread if a signal came. */
void signals_take(void);

#endif
