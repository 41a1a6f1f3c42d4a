/* Runs a job that was started, on the thread that started it: decodes its arguments, runs its code, builds its reply.
 * With the GIL. */
#ifndef PYTHONX_EXECUTE_H
#define PYTHONX_EXECUTE_H

#include <stdbool.h>

#include "python/py_api.h"
#include "queue/job.h"
#include "wire/message.h"

/* Takes the session's namespace; 0, or -1 with an error set. */
int execute_start(void);

/* Returns true if the job has ended: *reply is then its reply, to be written and released (exec/reply.h). False if its
 * value is awaited or iterated: the event loop or the stream ends it. */
bool execute_job(struct job *job, struct message *reply);

/* The same inside something else, which goes on as it was; and sends the reply. */
void execute_nested(struct job *job);

#endif
