/* Keeps the life of each request: from the frame that was read to its one reply. A job has one state at any time, and
 * job_move alone changes it:
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
 * (A job on a thread or on the main thread may become a stream, one on the main thread a task.) The reply is written
 * by whoever moved the job to JOB_ENDED, so there is exactly one.
 *
 * Each thread has a stack of jobs: while one waits for the BEAM, others may run on top of it. An abort (a cancel, or a
 * timeout) is noted here and delivered by session/abort.c.
 *
 * No Python in here. All functions need the session's lock, but for those that say otherwise. */
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
    enum job_abort abort; /* why it is to end */
    bool delivered;       /* the exception for that was raised in its code, or its task was cancelled */
    bool covered;         /* another job runs on top of it, on the same thread (see job_is_covered) */
    bool waits;           /* on another thread: it waits for the BEAM */
    bool on_stack;
    bool foreign;                   /* runs on top of a wait for the BEAM that it was not made within */
    bool failed;                    /* its reply is an error */
    bool replies;                   /* its message is to be sent; a release has none */
    bool timing;                    /* the client wants to know how long it waited and ran */
    unsigned long thread;           /* of Python, that runs it; 0: the main one */
    unsigned long long within;      /* the number of the call that it was made within; 0: of none */
    unsigned long long granted;     /* how many items of a stream the client has asked for, in all */
    unsigned long long read_us;     /* when it was read, (clock_us) */
    unsigned long long started_us;  /* when it began, 0: it has not, */
    unsigned long long ended_us;    /* when it was over, */
    unsigned long long deadline_us; /* when its time is up, 0: never, */
    unsigned long long retry_us;    /* and when its abort is delivered again, 0: not */
    unsigned retry_interval;        /* microseconds */
    const char *refusal;            /* why it never begins, if it was not aborted */
    struct context *context;        /* the Python object of the request, borrowed; NULL while there is none */
    struct invocation *invocation;  /* the call that it was made within; JOB_NESTED only */
    struct job *previous, *next;    /* in the list of its state */
    struct job *below;              /* on the stack of its thread */
};

struct job_list {
    struct job *first, *last;
    size_t count;
};

/* Part of the session; guarded by its lock. */
struct jobs {
    struct job_list queued, nested, active; /* active: on a thread, task or stream */
    struct job *aborted;                    /* ended before they began; chained by next; still to be replied to */
    struct job *main_top;                   /* of the main thread's stack */
    size_t queued_bytes;
    size_t exclusive;              /* tasks that other jobs wait for, unless they are concurrent */
    size_t foreign;                /* foreign jobs on the main thread's stack */
    size_t replying;               /* ended on other threads, and their reply is still to be written */
    unsigned long long next_event; /* no deadline or retry is earlier; 0: there is none */
    struct job_totals {
        unsigned long long begun, ended, errors;
        unsigned long long queue_us, run_us; /* of those that have ended */
    } totals;
};

/* The bounds of the queue, so that a client that asks faster than Python answers is held back by its pipe. */
#define JOB_COUNT_MAX 16384
#define JOB_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* Takes the request over, with what it owns; NULL, and it stays the caller's, if memory is short. Without the lock. */
struct job *job_new(struct request *request);

/* Frees the job and its request. Without the lock. */
void job_free(struct job *job);

/* The one function that changes a job's state. Debug builds (PYTHONX_CHECKS) abort the process if the picture above
 * has no such arrow. */
void job_move(struct job *job, enum job_state state);

/* -- the queue ----------------------------------------------------------------------------------------------------- */

void job_enqueue(struct job *job);

/* The first of the queue, which stays there; NULL if it is empty. */
struct job *job_first(void);

/* The first that was made within the call; with NULL, within any. */
struct job *job_first_nested(const struct invocation *invocation);

/* Puts a job that was made within a call among those. */
void job_nest(struct job *job, struct invocation *invocation);

/* The call is over: what was made within it and has not begun is queued. Returns whether there was any. */
bool job_requeue_nested(const struct invocation *invocation);

/* Whether one more may be queued. One is taken in any case, however large it is. */
bool job_has_room(void);

/* -- running ------------------------------------------------------------------------------------------------------- */

/* The job begins on the calling thread, on top of what that runs; `thread` is Python's name of it, 0 for the main one.
 */
void job_start(struct job *job, unsigned long thread);

/* The main thread goes on with the job (a stream), and stops doing so. */
void job_push(struct job *job);
void job_pop(struct job *job);

/* What the calling thread runs, or NULL. Without the lock. */
struct job *job_top(void);

/* Whether something runs on top of the job, on its thread: another job, or the event loop. */
bool job_is_covered(const struct job *job);

/* Whether the main thread's stack has a job whose abort could not be delivered because others run on top of it. */
bool job_abort_waits_below(void);

/* Ends the job and takes it off the stack; to be called before its reply is sent, after which its id may come again. */
void job_finish(struct job *job);

/* -- streams ------------------------------------------------------------------------------------------------------- */

/* The client asks for more items of the stream of that id. Returns the job, or NULL if there is none. */
struct job *job_grant(struct span id, unsigned long long count);

/* -- for job.c and job_abort.c --------------------------------------------------------------------------------------
 */

/* Ids are compared as they came: a client writes the same id in the same way. */
bool job_has_id(const struct job *job, struct span id);

/* job_expire is to be called at that time, 0: at none. */
void job_note_event(unsigned long long us);

/* -- aborts (job_abort.c) ------------------------------------------------------------------------------------------ */

/* What delivers the abort to a job that runs; it must not block. */
typedef void job_deliver(struct job *job);

/* Aborts the job of that id. One that has not begun is ended, and added to jobs.aborted. */
void job_cancel(struct span id, job_deliver *deliver);

/* The same for all whose time is up; and delivers again what could not be delivered before. */
void job_expire(unsigned long long now_us, job_deliver *deliver);

/* The next job that was ended before it began, now the caller's, to reply to; NULL if there is none. */
struct job *job_take_aborted(void);

/* The session is stopped: aborts a job that runs, without delivering that. */
void job_stop(struct job *job);

/* Whether the job is aborted, and that is still to be delivered. */
bool job_abort_is_due(const struct job *job);

/* Notes that the abort is delivered. Returns its reason, or JOB_ABORT_NONE if none was due. */
enum job_abort job_take_abort(struct job *job);

/* The exception was swallowed, as in a __del__: it is due again. */
void job_rearm_abort(struct job *job);

/* The abort was due but could not be delivered at this moment: job_expire tries again soon. */
void job_retry_abort(struct job *job);

/* Ends all that has not begun, as job_cancel does, but as refused, for a reason that lives on (JOB_ABORT_NONE). Returns
 * whether there was any. */
bool job_refuse_queued(const char *reason);

#endif
