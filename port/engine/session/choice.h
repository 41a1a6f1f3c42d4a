/* Decides what the main thread does next, wherever that is: idle, in the event loop, or waiting for the BEAM. The
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
#ifndef PYTHONX_CHOICE_H
#define PYTHONX_CHOICE_H

#include <stdbool.h>

#include "exec/stream.h"
#include "queue/job.h"

/* Where the main thread asks for its next work. */
enum where { WHERE_IDLE, WHERE_LOOP, WHERE_WAIT };

enum work_kind {
    WORK_NONE,
    WORK_JOB,      /* execute it; it was started */
    WORK_STREAM,   /* step it; it was entered */
    WORK_LOOP,     /* run the event loop: tasks are left that nothing else goes on with */
    WORK_ANSWER,   /* the innermost wait is over */
    WORK_HANDLERS, /* a signal came: run Python's handlers */
    WORK_END,      /* the session is over */
};

struct work {
    enum work_kind kind;
    struct job *job;
    struct stream *stream;
};

/* Chooses the next job or stream, and starts or enters it; returns WORK_NONE if nothing may run. Does not wait. With
 * the session's lock. */
struct work choice_make(enum where where);

/* Returns how many of the queued requests wait for others: without those that were made within a call, and without the
 * first one if nothing runs that it has to wait for. With the session's lock. */
size_t choice_count_waiting(void);

/* Returns whether the innermost wait has lasted so long that it may depend on jobs that were not made within it. With
 * the session's lock. */
bool choice_has_waited_long(void);

#endif
