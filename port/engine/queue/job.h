/* Keeps the life of each request: from the frame that was read to its one reply. A job has one state at any time, and
 * only job_move changes it:
 *
 *             +--------------------------------- JOB_NEW ------+
 *             v                   (made within a call)         | (the main thread is idle)
 *        JOB_QUEUED <------------- JOB_NESTED                  |
 *          |     |    the call is      |  |  |                 |
 *          |     |    over             |  |  +--> JOB_ON_THREAD ---+
 *          |     +------------+--------+  |            |           |
 *          |                  v           |            v           |
 *          |             JOB_ON_MAIN <----|------------|-----------+--- JOB_STREAM: the main thread steps it
 *          |              |   |   |       |            |                   |
 *          |              |   |   +-------|------------|--> JOB_TASK       |
 *          v              v               v            v       v           v
 *        JOB_ENDED: aborted before it began, or replied to; nothing leads out of it
 *
 * (A job on a thread or on the main thread may become a stream, one on the main thread a task.) The
 * function that moves the job to JOB_ENDED has its reply written, so there is exactly one.
 *
 * Each thread has a stack of jobs: while one waits for the BEAM, others may run on top of it. An abort (a cancel, or a
 * timeout) is noted here and delivered by session/abort.c.
 *
 * No Python in here. All functions need the session's lock, unless they say otherwise. */
#ifndef PYTHONX_JOB_H
#define PYTHONX_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/request.h"

enum job_state {
    JOB_NEW,
    JOB_QUEUED,    /* waits for its turn */
    JOB_NESTED,    /* made within a call: waits for the thread that waits for the call */
    JOB_ON_MAIN,   /* runs on the main thread */
    JOB_ON_THREAD, /* runs on another thread of Python */
    JOB_TASK,      /* its value is awaited by the event loop */
    JOB_STREAM,    /* its value is iterated by the main thread, as far as the client asks */
    JOB_ENDED,
};

enum job_abort { JOB_ABORT_NONE, JOB_ABORT_CANCELLED, JOB_ABORT_TIMED_OUT, JOB_ABORT_STOPPED };

struct context;
struct invocation;

struct job {
    struct request request;
    enum job_state state;
    enum job_abort abort; /* why it must end */
    bool delivered;       /* the exception for that was raised in its code, or its task was cancelled */
    bool covered;         /* another job runs on top of it, on the same thread (see job_is_covered) */
    bool waits;           /* on another thread than the main one: it waits for the BEAM */
    bool on_stack;
    bool foreign;                   /* runs on top of a wait for the BEAM that it was not made within */
    bool failed;                    /* its reply is an error */
    bool replies;                   /* its message must be sent; a release has none */
    bool timing;                    /* the client wants to know how long it waited and ran */
    unsigned long thread;           /* Python's name of the thread that runs it; 0: the main one */
    unsigned long long within;      /* the number of the call that it was made within; 0: of none */
    unsigned long long granted;     /* how many items of a stream the client has asked for, in all */
    unsigned long long read_us;     /* when it was read (clock_us, like those below) */
    unsigned long long started_us;  /* when it began; 0: not yet */
    unsigned long long ended_us;    /* when it ended */
    unsigned long long deadline_us; /* when its time is up; 0: never */
    unsigned long long retry_us;    /* when its abort is delivered again; 0: never */
    unsigned retry_interval;        /* microseconds */
    const char *refusal;            /* why it never begins, if it was not aborted */
    struct context *context;        /* the Python object of the request, borrowed; NULL while there is none */
    struct invocation *invocation;  /* the call that it was made within; JOB_NESTED only */
    struct job *previous, *next;    /* neighbours in the list of its state */
    struct job *below;              /* the job under it on the stack of its thread */
};

struct job_list {
    struct job *first, *last;
    size_t count;
};

/* Part of the session; guarded by its lock. */
struct jobs {
    struct job_list queued, nested, active; /* active: on a thread, task or stream */
    struct job *aborted;                    /* ended before they began; chained by next; still without a reply */
    struct job *main_top;                   /* of the main thread's stack */
    size_t queued_bytes;
    size_t exclusive;              /* tasks that other jobs wait for, unless they are concurrent */
    size_t foreign;                /* foreign jobs on the main thread's stack */
    size_t replying;               /* ended on other threads, and their reply is not written yet */
    unsigned long long next_event; /* no deadline or retry comes earlier; 0: there is none */
    struct job_totals {
        unsigned long long begun, ended, errors;
        unsigned long long queue_us, run_us; /* sums over the jobs that have ended */
    } totals;
};

/* The bounds of the queue: a client that sends requests faster than Python answers them is held back by its pipe. */
#define JOB_COUNT_MAX 16384
#define JOB_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* Returns a new job that owns the request and all that it holds; NULL if memory is short, and the caller keeps
 * ownership. Must be called without the lock. */
struct job *job_new(struct request *request);

/* Frees the job and its request. Must be called without the lock. */
void job_free(struct job *job);

/* Changes a job's state; nothing else does. Debug builds (PYTHONX_CHECKS) abort the process if the picture above has no
 * such arrow. */
void job_move(struct job *job, enum job_state state);

/* -- the queue ---------------------------------------------------------------------------------------------------- */

void job_enqueue(struct job *job);

/* Returns the first job of the queue, which stays there; NULL if it is empty. */
struct job *job_first(void);

/* Returns the first job that was made within the call, or, with NULL, within any call. */
struct job *job_first_nested(const struct invocation *invocation);

/* Adds a job to those that were made within a call. */
void job_nest(struct job *job, struct invocation *invocation);

/* Queues the jobs that were made within the call, which is over, and have not begun. Returns whether there were any. */
bool job_requeue_nested(const struct invocation *invocation);

/* Returns whether one more job may be queued. An empty queue takes any, however large it is. */
bool job_has_room(void);

/* -- running ------------------------------------------------------------------------------------------------------ */

/* Begins the job on the calling thread, on top of what that runs. `thread` is Python's name of the thread, 0 for the
 * main one. */
void job_start(struct job *job, unsigned long thread);

/* Puts a job (a stream) on the main thread's stack while it is stepped, and takes it off again. */
void job_push(struct job *job);
void job_pop(struct job *job);

/* Returns the innermost job of the calling thread, or NULL. Needs no lock. */
struct job *job_top(void);

/* Returns whether another job, or the event loop, runs on top of the job, on its thread. */
bool job_is_covered(const struct job *job);

/* Returns whether the main thread's stack has a job whose abort could not be delivered because others run on top of
 * it. */
bool job_abort_waits_below(void);

/* Ends the job and takes it off the stack. Must be called before its reply is sent: after that its id may come
 * again. */
void job_finish(struct job *job);

/* -- streams ------------------------------------------------------------------------------------------------------ */

/* Grants more items of the stream of that id to the client. Returns the job, or NULL if there is none. */
struct job *job_grant(struct span id, unsigned long long count);

/* -- for job.c and job_abort.c ------------------------------------------------------------------------------------ */

/* Returns whether the job has this id. Ids are compared byte by byte: a client writes the same id in the same way. */
bool job_has_id(const struct job *job, struct span id);

/* Notes that job_expire must be called at that time (0: not at all). */
void job_note_event(unsigned long long us);

/* -- aborts (job_abort.c) ----------------------------------------------------------------------------------------- */

/* Delivers the abort to a job that runs; must not block. */
typedef void job_deliver(struct job *job);

/* Aborts the job of that id. One that has not begun is ended, and added to jobs.aborted. */
void job_cancel(struct span id, job_deliver *deliver);

/* Aborts all jobs whose time is up; delivers again the aborts that could not be delivered before. */
void job_expire(unsigned long long now_us, job_deliver *deliver);

/* Returns the next job that was ended before it began, or NULL. It is the caller's, who must reply to it. */
struct job *job_take_aborted(void);

/* Aborts a job that runs because the session ends, without delivering the abort. A second time it does nothing. */
void job_stop(struct job *job);

/* Returns whether the job has an abort that is not delivered yet. */
bool job_abort_is_due(const struct job *job);

/* Marks the abort as delivered. Returns its reason, or JOB_ABORT_NONE if none was due. */
enum job_abort job_take_abort(struct job *job);

/* Makes the abort due again: its exception was swallowed, for example in a __del__. */
void job_rearm_abort(struct job *job);

/* Has job_expire deliver the abort again soon: it was due but could not be delivered at this moment. */
void job_retry_abort(struct job *job);

/* Ends all jobs that have not begun, as job_cancel does, but as refused (JOB_ABORT_NONE). The reason must stay valid
 * until the process ends. Returns whether there were any. */
bool job_refuse_queued(const char *reason);

#endif
