/* Runs a job that was started, on the thread that started it: decodes its arguments, runs its code, builds its reply.
 * All functions need the GIL. */
#ifndef PYTHONX_EXECUTE_H
#define PYTHONX_EXECUTE_H

#include <stdbool.h>

#include "python/py_api.h"
#include "queue/job.h"
#include "wire/message.h"

/* Takes the session's namespace. Returns 0, or -1 with an error set. */
int execute_start(void);

/* Lets go of the namespace at the end of the session, or Python could not free what is in it. Nothing may be executed
 * any more. */
void execute_stop(void);

/* Returns true if the job has ended: *reply is then its reply, which must be written and released (exec/reply.h).
 * Returns false if its value is awaited or iterated: the event loop or the stream ends the job. */
bool execute_job(struct job *job, struct message *reply);

/* Executes the job on top of other code, whose state is kept; and sends the reply. */
void execute_nested(struct job *job);

#endif
