/* Requests in job: read, and not replied to yet. They wait in order, then run: on the main thread, as a task of the
 * event loop, as a stream, or on a thread that waits for the BEAM. Each can be told to end, by a cancel or because its
 * time is up; what waits still never runs then, what runs learns of it through its verdict.
 *
 * No Python in here; all functions may be called from any thread. What waits is bounded in count and bytes, so that a
 * client that asks faster than Python answers is held back by its pipe. */
#ifndef PYTHONX_JOB_H
#define PYTHONX_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/request.h"

enum job_verdict { JOB_GOES_ON, JOB_CANCELLED, JOB_TIMED_OUT };

struct job {
    struct request request;
    enum job_verdict verdict;       /* guarded, as all that follows, by the lock of job.c */
    bool told;                      /* the verdict was raised in it */
    bool waits;                     /* it has not begun */
    bool failed;                    /* its reply was an error */
    unsigned long long granted;     /* how many items of a stream were asked for, in all */
    unsigned long thread;           /* of Python, that runs it, where it is not the main thread; else 0 */
    unsigned long long read_us;     /* when it was read, */
    unsigned long long started_us;  /* when it began, */
    unsigned long long ended_us;    /* when it was over, */
    unsigned long long deadline_us; /* and when its time is up (clock_us); 0: never */
    struct job *previous, *next;
    struct job *following; /* for whoever holds several that run */
};

/* Takes the request over, with what it owns; NULL, and it stays the caller's, where memory is short. In no list yet. */
struct job *job_new(struct request *request);

/* Puts it behind what waits. Goes over the bound rather than wait: ask job_has_room first. */
void job_wait(struct job *job);

/* It runs from now on. */
void job_begin(struct job *job);

/* It has not begun after all, and waits from now on. */
void job_wait_again(struct job *job);

/* The one that has waited longest, which runs from now on: NULL where none waits, or where `may_begin` says no. */
typedef bool job_may_begin(const struct job *job);
struct job *job_begin_next(job_may_begin *may_begin);

/* It is over, and known to nobody any more; to be called before its reply is sent, after which its id may come again.
 */
void job_end(struct job *job);
void job_free(struct job *job); /* and its request */

/* What the main thread runs now, for `info`; the one before. */
struct job *job_show(struct job *job);

/* More items of the stream of that id; the job, where it runs. */
bool job_grant(struct span id, unsigned long long count);
unsigned long long job_granted(const struct job *job);

/* -- being told to end --------------------------------------------------------------------------------------------- */

/* A cancel of that id. Where it waits it is taken out and returned, for the caller to answer and end; where it runs it
 * gets its verdict, and *runs becomes true. */
struct job *job_cancel(struct span id, bool *runs);

/* The same for all whose time is up; those that waited are chained by `next`. */
struct job *job_expire(unsigned long long now_us, bool *runs);

/* When job_expire is to be called next; 0: there is nothing with a deadline. */
unsigned long long job_next_deadline(void);

/* The verdict, for the one that ends it now: JOB_GOES_ON where there is none, or where it was told before. */
enum job_verdict job_take_verdict(struct job *job);

/* The same without taking it: whether somebody should. */
bool job_has_verdict(struct job *job);

/* Whether any has. */
bool job_any_has_verdict(void);

/* It was told in a place where it could not be heard. */
void job_untell(struct job *job);

/* Which thread of Python runs it; 0: the main one. */
void job_set_thread(struct job *job, unsigned long thread);

/* The first running one on another thread than the main one with a verdict, which is taken with this; 0: none. */
unsigned long job_take_thread_verdict(enum job_verdict *verdict);

/* -- what waits ---------------------------------------------------------------------------------------------------- */

bool job_has_room(void);

/* Waits until there may be room, `milliseconds` at most. */
void job_wait_room(unsigned milliseconds);

bool job_any_waits(void);

/* For `info`, and for whoever watches over the progress of all. */
struct job_totals {
    size_t waiting, running;
    unsigned long long begun, ended, errors;
    unsigned long long queue_us, run_us; /* of those that have ended */
};
struct job_totals job_totals(void);

/* Calls `put` with the id of what is shown, and when it began; empty and 0 where nothing is. */
void job_tell_shown(void (*put)(void *argument, struct span id, unsigned long long started_us), void *argument);

#endif
