/* Runs the event loop of the session, asyncio's or uvloop's: values that requests must await run on it as tasks, next
 * to each other. While there are any the main thread is in the loop, and the scheduler runs jobs from inside it. */
#ifndef PYTHONX_EVENT_LOOP_H
#define PYTHONX_EVENT_LOOP_H

#include <stdbool.h>

#include "python/context.h"

/* Does other work than tasks in the loop; called with the GIL each time that the loop was woken. */
typedef void event_loop_work(void);
void event_loop_start(event_loop_work *work);

/* Returns whether the session has ever awaited anything. Must be called on the main thread. */
bool event_loop_is_loaded(void);

/* -- with the GIL ------------------------------------------------------------------------------------------------- */

/* Returns whether the request's value is for the loop: it must be awaited, or is an async iterable of a stream. Sets no
 * error. */
bool event_loop_takes(const struct context *context, PyObject *value);

/* Makes the value a task. Returns true if the value and the context are now the loop's; false, with an error set, if
 * the caller keeps ownership of both. */
bool event_loop_begin(struct context *context, PyObject *value);

/* Returns whether the loop has something to do: tasks of jobs, and, unless the main thread waits for the BEAM, tasks
 * that outlive their request, timers and signal handlers. */
bool event_loop_is_needed(void);

/* Runs the loop until it is not needed any more, or is left. On the main thread; returns at once if the loop runs
 * already. */
void event_loop_run(void);

/* Makes the main thread leave the loop at once, for work that it cannot do there. From inside the loop. */
void event_loop_leave(void);

/* Ends the tasks that are left with an error of kind `shutdown`, and closes the loop. At the end of the session. */
void event_loop_close(void);

/* erlang.call_async(module, function, args) or (fun, args): returns a coroutine of the answer. */
PyObject *event_loop_call_async_function(PyObject *self, PyObject *arguments);

/* The functions that event_loop.py calls. */
PyObject *event_loop_pump_function(PyObject *self, PyObject *unused);
PyObject *event_loop_abort_function(PyObject *self, PyObject *context);
PyObject *event_loop_wake_function(PyObject *self, PyObject *unused);
PyObject *event_loop_end_done_tasks_function(PyObject *self, PyObject *unused);

#endif
