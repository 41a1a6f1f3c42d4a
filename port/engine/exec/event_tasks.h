/* Ties jobs to tasks of the event loop: begins a task for a value that must be awaited, and ends its job. With the GIL.
 */
#ifndef PYTHONX_EVENT_TASKS_H
#define PYTHONX_EVENT_TASKS_H

#include <stdbool.h>

#include "python/context.h"

/* Takes event_loop.py, once it is loaded. Returns 0, or -1 with an error set. */
int event_tasks_start(PyObject *module);

/* Returns a new reference to the list of (context, task) of the jobs that are tasks, or NULL with an error set. */
PyObject *event_tasks_list(void);

/* Makes a task of the value, which calls `on_done`, a method of the context, when it is done. Returns as
 * event_loop_begin does; the caller must change the job's state. */
bool event_tasks_begin(struct context *context, PyObject *value, PyMethodDef *on_done);

/* Ends the job whose task is done, with its value or its exception. */
void event_tasks_end(struct context *context, PyObject *task);

/* Cancels the tasks of jobs that are aborted. */
void event_tasks_cancel_aborted(void);

/* Aborts all jobs that are tasks, and ends those whose task did not end when it was cancelled. At the end of the
 * session. */
void event_tasks_stop(void);
void event_tasks_end_left(void);

#endif
