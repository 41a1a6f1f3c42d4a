/* Keeps the calls to the BEAM that wait for their answer, and what arrives for them. What comes is left in the
 * invocation, and the thread that waits is woken. */
#ifndef PYTHONX_INVOKE_TABLE_H
#define PYTHONX_INVOKE_TABLE_H

#include <pthread.h>
#include <stdbool.h>

#include "python/context.h"
#include "queue/job.h"

enum waiter { WAITER_MAIN, WAITER_THREAD, WAITER_TASK };

struct stream;

struct invocation {
    unsigned long long number;
    enum waiter waiter;
    unsigned long long since_us;
    bool answered;
    struct request answer;    /* owned once it is answered */
    char refused[160];        /* why the answer was refused: it is answered without an answer then; else empty */
    struct job *job;          /* WAITER_THREAD: the job that runs on the thread, for its abort; NULL if none does */
    struct context *context;  /* WAITER_MAIN: that of the code that waits, held, if it may be aborted; else NULL */
    pthread_cond_t arrived;   /* for WAITER_THREAD */
    PyObject *future;         /* for WAITER_TASK, owned */
    struct invocation *below; /* for WAITER_MAIN: the wait on top of which this one is */
    struct invocation *next;
};

/* Gives the invocation its number, and the main thread's innermost wait, if it is one. Without the lock. */
void invoke_table_add(struct invocation *invocation);

/* Jobs that were made within it and have not begun run like others. Without the lock. */
void invoke_table_remove(struct invocation *invocation);

/* How long a wait for the BEAM lasts before what it may wait for runs elsewhere than usual. */
#define INVOKE_TABLE_PATIENCE_US 500000

/* What a thread does while it waits: a job, started on it, or a stream, entered by it; neither if the wait is over. */
struct nested_work {
    struct job *job;
    struct stream *stream;
};

/* Waits on a thread that is not the main one, for an answer, a job made within the invocation, or an abort of its own.
 * A stream made within it is stepped here only if the main thread does not come back: it may wait for this one. Without
 * the lock and the GIL. */
struct nested_work invoke_table_wait(struct invocation *invocation, unsigned long thread);

/* Invocations of tasks: by its future, and one that is answered, or never will be, as the input has ended. NULL if
 * there is none. Without the lock. */
struct invocation *invoke_table_find_task(const PyObject *future);
struct invocation *invoke_table_find_resolved_task(void);

/* -- from any thread, without the GIL, with the session's lock --------------------------------------------------------
 */

/* The answer to an invocation; takes over what the request owns. False, and it stays the caller's, if none waits for
 * it. */
bool invoke_table_answer(struct request *request);

/* The answer to the invocation of that id was refused: it ends with an error of that text. False if none waits for it.
 * Allocates nothing. */
bool invoke_table_refuse(struct span id, const char *text);

/* Nests a job in the invocation that it was made within. False, and it stays the caller's, if none waits. */
bool invoke_table_nest(struct job *job);

/* Has the thread that waits for the BEAM on behalf of the job look for its abort. */
void invoke_table_wake(const struct job *job);

/* A stream that was made within a call may go on. */
void invoke_table_wake_within(const struct job *job);

/* Whether anything that the main thread waits for is answered. */
bool invoke_table_main_is_answered(void);

#endif
