/* Runs the event loop of the session, asyncio's or uvloop's: what requests have to await runs on it as tasks, next to
 * each other. While there are any the main thread is in the loop, and the scheduler runs jobs from inside it. */
#ifndef PYTHONX_EVENT_LOOP_H
#define PYTHONX_EVENT_LOOP_H

#include <stdbool.h>

#include "python/context.h"

/* What is to be done in the loop besides tasks; called with the GIL each time that something woke the loop. */
typedef void event_loop_work(void);
void event_loop_start(event_loop_work *work);

/* Whether the session has ever awaited anything. From the main thread. */
bool event_loop_is_loaded(void);

/* -- with the GIL -- */

/* Whether the request's value is for the loop: it is to be awaited, or is an async iterable of a stream. Sets no error.
 */
bool event_loop_takes(const struct context *context, PyObject *value);

/* Makes a task of it. True: the value and the context are the loop's. False, and an error set: both are still the
 * caller's. */
bool event_loop_begin(struct context *context, PyObject *value);

/* Whether the loop has something to do: tasks of jobs, and, unless the main thread waits for the BEAM, tasks that
 * outlive their request, timers and signal handlers. */
bool event_loop_is_needed(void);

/* On the main thread, unless it is in the loop already: runs until the loop is not needed any more, or is left. */
void event_loop_run(void);

/* From inside: the main thread leaves the loop at once, for something that it cannot do there. */
void event_loop_leave(void);

/* At the end of the session: ends the tasks that are left with an error of kind `shutdown`, and closes the loop. */
void event_loop_close(void);

/* erlang.call_async(module, function, args) or (fun, args): a coroutine of the answer. */
PyObject *event_loop_call_async_function(PyObject *self, PyObject *arguments);

/* For event_loop.py. */
PyObject *event_loop_pump_function(PyObject *self, PyObject *unused);
PyObject *event_loop_abort_function(PyObject *self, PyObject *context);
PyObject *event_loop_wake_function(PyObject *self, PyObject *unused);
PyObject *event_loop_end_done_tasks_function(PyObject *self, PyObject *unused);

#endif
