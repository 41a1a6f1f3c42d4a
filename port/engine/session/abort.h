/* Delivers aborts: a cancel, or a timeout, reaches a job by the way that its state asks for. */
#ifndef PYTHONX_ABORT_H
#define PYTHONX_ABORT_H

#include "queue/job.h"

/* A job_deliver (queue/job.h). With the session's lock; it does not block. */
void abort_deliver(struct job *job);

/* Cancels the request of that id, and replies to it if it has not begun. Without the lock and the GIL. */
void abort_cancel(struct span id);

/* Replies to what was ended before it began. Without the lock and the GIL; it may block. Returns whether there was any.
 */
bool abort_reply_to_unbegun(void);

#endif
