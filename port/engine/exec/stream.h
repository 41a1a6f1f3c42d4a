/* Iterates the value of a request, as far as the client has asked for items. The main thread steps plain iterables, one
 * slice at a time, when the scheduler says so; async ones are tasks (event_loop.h) that put their items here.
 *
 * Items may come in batches, which cost the client less. A batch goes out when it is full, when no more was asked for,
 * when something else is to run, and at the latest a millisecond after its first item, whatever Python does then. */
#ifndef PYTHONX_STREAM_H
#define PYTHONX_STREAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "python/context.h"

struct stream;

/* -- with the GIL -- */

/* Begins to iterate, on any thread. True: the value and the context are the stream's. False, and an error set: both are
 * still the caller's. */
bool stream_begin(struct context *context, PyObject *value);

/* Goes on with a stream that was entered, until something else is to be done. */
void stream_step(struct stream *stream);

/* Ends all of them with an error of kind `shutdown`. On the main thread, outside of any step. */
void stream_end_all(void);

/* For a task: its items go out as those of this request, until it says that they end. */
int stream_attach(struct context *context);
void stream_detach(struct context *context);

/* For event_loop.py: demand(context) says whether an item was asked for and not put yet, put_item(context, item) sends
 * one. */
PyObject *stream_demand_function(PyObject *self, PyObject *context);
PyObject *stream_put_function(PyObject *self, PyObject *arguments);

/* -- from any thread, without the GIL; with the session's lock -- */

/* The stream whose turn it is to go on, which moves behind the others; NULL if none may. With `within`, only one that
 * was made within the call of that number, or within any, or that is to end. */
#define STREAM_WITHIN_ANY ULLONG_MAX
struct stream *stream_next_ready(unsigned long long within);

/* The calling thread (of Python; 0: the main one) is inside the stream from now on: stream_step goes on with it. */
void stream_enter(struct stream *stream, unsigned long thread);

/* When stream_send_due is to be called next; 0: not before the next item. */
unsigned long long stream_next_due(void);

/* -- without the lock -- */

/* Writes the batches whose time has come. It may block. */
void stream_send_due(unsigned long long now_us);

#endif
