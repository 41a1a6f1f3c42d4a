/* Delivers aborts by the state of their job. */
#include "session/abort.h"

#include "exec/invoke_table.h"
#include "exec/reply.h"
#include "os/schedule.h"
#include "queue/session.h"
#include "queue/timer.h"

static void wake(struct job *job)
{
    switch (job->state) {
    case JOB_ON_MAIN:
        /* A job that others run on top of must wait for them; only the event loop is left for it. */
        if (!job_is_covered(job))
            handoff_interrupt_main();
        else if (session.loop.running && session.loop.base == job)
            handoff_wake_main();
        break;
    case JOB_ON_THREAD:
        /* A job that waits for the BEAM checks on its own; in any other the main thread sets the exception. */
        invoke_table_wake(job);
        if (!job_is_covered(job) && !job->waits)
            handoff_interrupt_main();
        break;
    case JOB_TASK:
        /* The loop cancels the task; the signal reaches a task that never awaits. */
        session.loop.aborts_due = true;
        handoff_interrupt_main();
        break;
    case JOB_STREAM:
        /* The stream is ready to be stepped now, or is being stepped. */
        invoke_table_wake_within(job);
        handoff_interrupt_main();
        break;
    case JOB_NEW:
    case JOB_QUEUED:
    case JOB_NESTED:
    case JOB_ENDED:
        break;
    }
}

/* A signal may come after the thread has checked for signals for the last time, and before it enters a call that
 * blocks: another one must cut that short. */
void abort_deliver(struct job *job)
{
    wake(job);
    if (job_abort_is_due(job)) {
        job_retry_abort(job);
        timer_at(job->retry_us);
    }
}

void abort_stop_all(void)
{
    for (struct job *job = session.jobs.active.first; job != NULL; job = job->next) {
        job_stop(job);
        abort_deliver(job);
    }
}

bool abort_reply_to_unbegun(void)
{
    bool any = false;
    for (;; any = true) {
        session_lock();
        struct job *job = job_take_aborted();
        session_unlock();
        if (job == NULL)
            return any;
        reply_to_unbegun(job);
    }
}

void abort_cancel(struct span id)
{
    SCHEDULE_POINT(abort_comes);
    session_lock();
    job_cancel(id, abort_deliver);
    session_unlock();
    SCHEDULE_POINT(abort_delivered);
    (void)abort_reply_to_unbegun();
}
