/* Streams: a value is iterated, as far as the client has granted items. Those of plain iterables are here, and the main
 * thread goes on with them while nothing else waits; async ones are tasks (loop.h) that put their items here.
 *
 * Items may come in batches, which cost the client less. A batch goes out when it is full, when no more was granted,
 * when something else is served, and at the latest a millisecond after its first item, whatever Python does then. */
#ifndef PYTHONX_STREAM_H
#define PYTHONX_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "exec/execute.h"
#include "python/py_api.h"
#include "wire/writer.h"

/* The writer is borrowed for good. */
void stream_start(struct writer *writer);

/* -- with the GIL -- */

/* Begins to iterate. True: value and run->owner are the stream's. False, and an error set: both are still the caller's.
 */
bool stream_begin(struct run *run, PyObject *value);

/* Goes on with one that may; false where none may. The main thread does so when it has nothing else to do, and others
 * while they wait for the BEAM. */
bool stream_step(void);

/* Ends all of them with an error of kind `shutdown`. */
void stream_end_all(void);

/* For a task: its items go out as those of this run, until it says that they end. */
int stream_attach(struct run *run);
void stream_detach(struct context *owner);

/* For loop.py: demand(owner) tells whether an item was granted and not put yet, put_item(owner, item) sends it. */
PyObject *stream_demand_function(PyObject *self, PyObject *owner);
PyObject *stream_put_function(PyObject *self, PyObject *arguments);

/* -- from any thread, without the GIL -- */

/* Whether stream_step has something to do. */
bool stream_is_ready(void);

/* Sends batches whose time has come; when it is to be called next, 0: not before the next item. */
unsigned long long stream_send_due(unsigned long long now_us);

size_t stream_count(void);

#endif
