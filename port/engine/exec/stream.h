/* Iterates the value of a request, as far as the client has asked for items. The main thread steps plain iterables, one
 * slice at a time, when the scheduler says so; async ones are tasks (event_loop.h) that put their items here.
 */
#ifndef PYTHONX_STREAM_H
#define PYTHONX_STREAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "python/context.h"

struct stream;

/* -- with the GIL ------------------------------------------------------------------------------------------------- */

/* Begins to iterate, on any thread. Returns true if the value and the context are now the stream's; false, with an
 * error set, if the caller keeps ownership of both. */
bool stream_begin(struct context *context, PyObject *value);

/* Goes on with a stream that was entered, until the thread has other work. */
void stream_step(struct stream *stream);

/* Ends all streams that no other thread steps, with an error of kind `shutdown`. On the main thread, outside of any
 * step. */
void stream_end_all(void);

/* Attaches a stream to a task: its items are sent as those of this request, until the task ends. */
int stream_attach(struct context *context);
void stream_detach(struct context *context);

/* The functions that event_loop.py calls: demand(context) returns whether an item was asked for and not put yet,
 * put_item(context, item) sends one. */
PyObject *stream_demand_function(PyObject *self, PyObject *context);
PyObject *stream_put_function(PyObject *self, PyObject *arguments);

/* -- from any thread, without the GIL; with the session's lock ---------------------------------------------------- */

/* Returns the stream that is next to go on, and moves it behind the others; NULL if none may. With `within`, only one
 * that was made within the call of that number, or within any, or that must end. */
#define STREAM_WITHIN_ANY ULLONG_MAX
struct stream *stream_next_ready(unsigned long long within);

/* Notes that the calling thread (of Python; 0: the main one) is inside the stream from now on: it must call
 * stream_step. */
void stream_enter(struct stream *stream, unsigned long thread);

#endif
