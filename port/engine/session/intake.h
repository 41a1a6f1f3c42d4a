/* Turns a frame into a job, or answers it on the spot. By the thread that has the input, without the session's lock. */
#ifndef PYTHONX_INTAKE_H
#define PYTHONX_INTAKE_H

#include "queue/job.h"
#include "wire/frame.h"

/* The job of a frame, in no list yet; NULL if there is none: what is no request is refused, what must not wait for
 * Python is done (session/control), what was made within a call is left with it. Takes the frame over. */
struct job *intake_accept(struct frame *frame);

/* Queues the job, or refuses it if the session was stopped. */
void intake_enqueue(struct job *job);

/* By the main thread, if nothing is before the job: it begins. */
void intake_start(struct job *job);

/* No request runs from now on: after a stop. Those that wait, and those that come, are refused. */
void intake_close(void);

#endif
