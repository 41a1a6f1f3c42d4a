/* Turns a frame into a job, or answers it on the spot, on the thread that has the input. Without the session's lock. */
#ifndef PYTHONX_INTAKE_H
#define PYTHONX_INTAKE_H

#include "queue/job.h"
#include "wire/frame.h"

/* Takes the frame over. Returns its job, in no list yet; NULL if there is none: an invalid request is refused, one that
 * must not wait for Python is handled (session/control), one that was made within a call is left with that. */
struct job *intake_accept(struct frame *frame);

/* Queues the job, or refuses it if the session was stopped. */
void intake_enqueue(struct job *job);

/* Starts the job on the main thread. No other job may be before it. */
void intake_start(struct job *job);

/* Refuses all queued requests, and all that come later: after a stop no request runs. */
void intake_close(void);

#endif
