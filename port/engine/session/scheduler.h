/* Runs the main thread: waits for work, does it, and ends the session. What comes next is decided in session/choice. */
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
