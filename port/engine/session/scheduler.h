/* Decides which job runs next, wherever the main thread is: idle, in the event loop, or waiting for the BEAM. The
 * rules:
 *
 * - Jobs run in the order in which they came. While a task is awaited that is not concurrent, only concurrent jobs
 *   begin. A stop waits until no task is left.
 * - Jobs that were made within a call run on the thread that waits for it, before those that are queued.
 * - Once the main thread has waited for the BEAM for half a second, other jobs run on it as well, since the two sides
 *   might wait for each other: one at a time, and none once an answer, or an abort, has come for any wait or job below
 *   on the stack.
 * - Streams are stepped on the main thread; they take turns with the queue.
 * - A thread that is not the main one runs only jobs that were made within its own call (exec/invoke_table). A stream
 *   made there is stepped there only if the main thread has been stuck for half a second, since that might wait for
 *   the thread. */
#ifndef PYTHONX_SCHEDULER_H
#define PYTHONX_SCHEDULER_H

#include <stdbool.h>

#include "exec/invoke_table.h"
#include "python/py_api.h"

/* Connects the timer and the event loop. `resolve` hands the answers of calls that tasks await to their futures; it is
 * called in the loop. Must be called before Python starts. */
typedef void scheduler_resolve(void);
void scheduler_start(scheduler_resolve *resolve);

/* Serves until a stop was served, or the input has ended. With the GIL. */
void scheduler_run(void);

/* Works until the invocation is answered. Returns 0 then, or -1 with an error set: an abort, an interrupt, or the end
 * of the input. On the main thread, with the GIL. */
int scheduler_wait_for_answer(struct invocation *invocation);

#endif
