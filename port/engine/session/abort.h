/* Delivers aborts: a cancel, or a timeout, reaches a job in the way that its state requires. */
#ifndef PYTHONX_ABORT_H
#define PYTHONX_ABORT_H

#include "queue/job.h"

/* Delivers the abort of a job: a job_deliver (queue/job.h). With the session's lock; it does not block. */
void abort_deliver(struct job *job);

/* Has all jobs under way end with the session. With the session's lock; it does not block. */
void abort_stop_all(void);

/* Cancels the request of that id, and replies to it if it has not begun. Must be called without the lock and the
 * GIL. */
void abort_cancel(struct span id);

/* Replies to the jobs that were ended before they began. Returns whether there were any. Must be called without the
 * lock and the GIL; it may block. */
bool abort_reply_to_unbegun(void);

#endif
