/* Decides which job runs next, wherever the main thread is: idle, in the event loop, or waiting for the BEAM. The
 * rules:
 *
 * - Jobs run in the order in which they came. While a task is awaited that is not concurrent, only concurrent jobs
 *   begin. A stop waits until no task is left.
 * - What was made within a call runs where that call waits, before what is queued.
 * - While the main thread waits for the BEAM, other jobs run there as well once it has waited for half a second, lest
 *   the two sides wait for each other: one at a time, and none once an answer, or an abort, has come for anything below
 *   on the stack.
 * - Streams are stepped on the main thread; they take turns with the queue.
 * - A thread that is not the main one runs only what was made within its own call (exec/invoke_table). It steps a
 * stream made there only if the main thread has not come back for half a second, lest that waits for the thread. */
#ifndef PYTHONX_SCHEDULER_H
#define PYTHONX_SCHEDULER_H

#include <stdbool.h>

#include "exec/invoke_table.h"
#include "python/py_api.h"

/* Before Python starts: connects the timer and the event loop. `resolve` gives the answers of calls that tasks await to
 * their futures; it is called in the loop. */
typedef void scheduler_resolve(void);
void scheduler_start(scheduler_resolve *resolve);

/* Serves until a stop was served, or the input has ended. With the GIL. */
void scheduler_run(void);

/* On the main thread, with the GIL: does what there is to do until the invocation is answered. 0 then, or -1 with an
 * error set: an abort, an interrupt, or the end of the input. */
int scheduler_wait_for_answer(struct invocation *invocation);

#endif
