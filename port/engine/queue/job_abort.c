/* Ends jobs before their time: those that have not begun at once, the others by an abort that is delivered to them. */
#include "queue/job.h"

#include <string.h>

#include "os/clock.h"
#include "queue/session.h"

static struct jobs *const jobs = &session.jobs;

/* How soon an abort that could not be delivered is delivered again; the time doubles with each attempt. */
#define RETRY_US 5000
#define RETRY_MAX_US 320000

bool job_abort_is_due(const struct job *job)
{
    return job->abort != JOB_ABORT_NONE && !job->delivered;
}

void job_retry_abort(struct job *job)
{
    if (job->retry_us != 0)
        return;
    job->retry_us = clock_us() + job->retry_interval;
    if (job->retry_interval < RETRY_MAX_US)
        job->retry_interval *= 2;
    job_note_event(job->retry_us);
}

static void set_abort(struct job *job, enum job_abort abort)
{
    job->abort = abort;
    job->delivered = false;
    job->deadline_us = 0;
    job->retry_us = 0;
    job->retry_interval = RETRY_US;
}

void job_stop(struct job *job)
{
    if (job->abort != JOB_ABORT_STOPPED)
        set_abort(job, JOB_ABORT_STOPPED);
}

/* Ends a job that has not begun. The reply is left to the caller of job_take_aborted. */
static void end_unbegun(struct job *job, enum job_abort abort)
{
    job->abort = abort;
    job->failed = true;
    job_move(job, JOB_ENDED);
    struct job **end = &jobs->aborted;
    while (*end != NULL)
        end = &(*end)->next;
    *end = job;
}

static void abort_active(struct job *job, enum job_abort abort, job_deliver *deliver)
{
    set_abort(job, abort);
    deliver(job);
}

void job_cancel(struct span id, job_deliver *deliver)
{
    bool found = false;
    struct job *next;
    if (id.length == 0)
        return;
    for (struct job *job = jobs->active.first; job != NULL; job = job->next) {
        if (job_has_id(job, id)) {
            abort_active(job, JOB_ABORT_CANCELLED, deliver);
            found = true;
        }
    }
    for (struct job *job = jobs->nested.first; job != NULL; job = next) {
        next = job->next;
        if (job_has_id(job, id)) {
            end_unbegun(job, JOB_ABORT_CANCELLED);
            found = true;
        }
    }
    for (struct job *job = jobs->queued.first; job != NULL && !found; job = next) {
        next = job->next;
        found = job_has_id(job, id);
        if (found)
            end_unbegun(job, JOB_ABORT_CANCELLED);
    }
}

static void expire_unbegun(struct job_list *list, unsigned long long now_us)
{
    struct job *next;
    for (struct job *job = list->first; job != NULL; job = next) {
        next = job->next;
        if (job->deadline_us != 0 && job->deadline_us <= now_us)
            end_unbegun(job, JOB_ABORT_TIMED_OUT);
        else
            job_note_event(job->deadline_us);
    }
}

void job_expire(unsigned long long now_us, job_deliver *deliver)
{
    if (jobs->next_event == 0 || jobs->next_event > now_us)
        return;
    jobs->next_event = 0;
    for (struct job *job = jobs->active.first; job != NULL; job = job->next) {
        if (job->deadline_us != 0 && job->deadline_us <= now_us) {
            abort_active(job, JOB_ABORT_TIMED_OUT, deliver);
        } else if (job->retry_us != 0 && job->retry_us <= now_us) {
            job->retry_us = 0;
            if (job_abort_is_due(job))
                deliver(job);
        }
        job_note_event(job->deadline_us);
        job_note_event(job->retry_us);
    }
    expire_unbegun(&jobs->nested, now_us);
    expire_unbegun(&jobs->queued, now_us);
}

struct job *job_take_aborted(void)
{
    struct job *job = jobs->aborted;
    if (job != NULL) {
        jobs->aborted = job->next;
        job->next = NULL;
    }
    return job;
}

enum job_abort job_take_abort(struct job *job)
{
    if (!job_abort_is_due(job))
        return JOB_ABORT_NONE;
    job->delivered = true;
    job->retry_us = 0;
    return job->abort;
}

void job_rearm_abort(struct job *job)
{
    job->delivered = false;
}

bool job_refuse_queued(const char *reason)
{
    struct job *job;
    bool any = false;
    for (; (job = jobs->nested.first) != NULL || (job = jobs->queued.first) != NULL; any = true) {
        job->refusal = reason;
        end_unbegun(job, JOB_ABORT_NONE);
    }
    return any;
}
