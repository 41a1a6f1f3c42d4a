/* The event loop of the session, asyncio's or uvloop's: what requests have to await runs on it as tasks, next to each
 * other. While there are any, the main thread is in the loop, and serves requests from there. */
#ifndef PYTHONX_EVENT_LOOP_H
#define PYTHONX_EVENT_LOOP_H

#include <stdbool.h>

#include "exec/execute.h"
#include "python/py_api.h"
#include "queue/job.h"

/* What is to be done in the loop besides tasks; called with the GIL each time that somebody woke it. */
typedef void loop_work(void);

/* False, with errno, where the loop could not be woken later. */
bool loop_start(loop_work *work);

/* -- with the GIL -- */

/* Whether the request's value is for the loop: it is to be awaited, or is an async iterable of a stream. Sets no error.
 */
bool loop_takes(const struct run *run, PyObject *value);

/* Makes a task of it. True: value and run->owner are the loop's. False, and an error set: both are still the caller's.
 */
bool loop_begin(struct run *run, PyObject *value);

/* Returns whether the request may begin while there are tasks, or while Python waits for the BEAM: as long as a request
 * that is not concurrent is awaited, only concurrent ones may, and the end of the session waits for all. */
bool loop_may_begin(const struct job *job);

/* Runs until there are no tasks; nothing happens where it runs already. */
void loop_run(void);

/* At the end of the session. */
void loop_close(void);

/* erlang.call_async(module, function, args) or (fun, args): a coroutine of the answer. */
PyObject *loop_call_async_function(PyObject *self, PyObject *arguments);

/* For loop.py. */
PyObject *loop_pump_function(PyObject *self, PyObject *unused);
PyObject *loop_end_function(PyObject *self, PyObject *arguments);
PyObject *loop_verdict_function(PyObject *self, PyObject *owner);

/* -- from any thread, without the GIL -- */

/* Does the work soon, where the main thread is in the loop. */
void loop_wake(void);

/* The same, and tells tasks their verdicts. */
void loop_wake_for_verdicts(void);

/* Between the two the main thread waits for the BEAM: where that is in the loop, no task can go on. */
void loop_block(void);
void loop_unblock(void);

size_t loop_task_count(void);

#endif
