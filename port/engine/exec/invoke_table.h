/* Keeps the calls to the BEAM that wait for their answer. Answers and nested jobs are left in the invocation, and the
 * waiting thread is woken. */
#ifndef PYTHONX_INVOKE_TABLE_H
#define PYTHONX_INVOKE_TABLE_H

#include <pthread.h>
#include <stdbool.h>

#include "os/schedule.h"
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
    char refused[160];        /* why the answer was refused, if it was: the call then ends without one */
    struct job *job;          /* WAITER_THREAD: the job on the thread, for its abort; NULL if there is none */
    struct context *context;  /* WAITER_MAIN: that of the waiting code, owned, if it may be aborted; else NULL */
    pthread_cond_t arrived;   /* for WAITER_THREAD */
    PyObject *future;         /* for WAITER_TASK, owned */
    struct invocation *below; /* for WAITER_MAIN: the wait on top of which this one is */
    struct invocation *next;
};

/* Gives the invocation its number, and makes it the main thread's innermost wait, if it is one. Must be called without
 * the lock. */
void invoke_table_add(struct invocation *invocation);

/* Removes the invocation, and queues the jobs that were made within it and have not begun. Must be called without the
 * lock. */
void invoke_table_remove(struct invocation *invocation);

/* How long a wait for the BEAM may last before jobs and streams that it may depend on run elsewhere than usual. */
#define INVOKE_TABLE_LONG_WAIT_US (SCHEDULE_LONG_WAIT(500) * 1000ULL)

/* The work of a thread that waits: a job, started on it, or a stream, entered by it; neither if the wait is over. */
struct nested_work {
    struct job *job;
    struct stream *stream;
};

/* Waits on another thread than the main one for an answer, a job made within the invocation, or an abort of the
 * thread's own job. A stream made within the invocation is stepped here only if the main thread is stuck: it may be
 * waiting for this thread. Must be called without the lock and the GIL. */
struct nested_work invoke_table_wait(struct invocation *invocation, unsigned long thread);

/* Find the invocation of a task by its future, or one that is answered, or never will be because the input has ended.
 * Return NULL if there is none. Must be called without the lock. */
struct invocation *invoke_table_find_task(const PyObject *future);
struct invocation *invoke_table_find_resolved_task(void);

/* -- from any thread, without the GIL, with the session's lock ---------------------------------------------------- */

/* Hands the answer to its invocation, which then owns what the request owned. Returns false if there is none that
 * waits; the caller keeps ownership. */
bool invoke_table_answer(struct request *request);

/* Ends the invocation of that id, whose answer was refused, with an error of that text. Returns false if there is none
 * that waits. Allocates nothing. */
bool invoke_table_refuse(struct span id, const char *text);

/* Nests a job in the invocation that it was made within. Returns false if there is none that waits; the caller keeps
 * ownership. */
bool invoke_table_nest(struct job *job);

/* Wakes the thread that waits for the BEAM on behalf of the job, so that it checks for its abort. */
void invoke_table_wake(const struct job *job);

/* Wakes the thread that waits for the call within which the stream was made: the stream may go on. */
void invoke_table_wake_within(const struct job *job);

/* Returns whether any wait of the main thread is answered. */
bool invoke_table_main_is_answered(void);

#endif
