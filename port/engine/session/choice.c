#include "session/choice.h"

#include "exec/invoke_table.h"
#include "os/clock.h"
#include "queue/session.h"

static bool may_begin(const struct job *job, enum where where)
{
    if (job->request.operation == OPERATION_stop)
        return where == WHERE_IDLE && session.loop.tasks == 0;
    return session.jobs.exclusive == 0 || job->request.concurrent || job->request.operation == OPERATION_release;
}

/* Returns whether a client that limits its queue counts the job. */
static bool is_counted(const struct job *job)
{
    return job->within == 0 && job->request.operation != OPERATION_release && job->request.operation != OPERATION_stop;
}

size_t choice_count_waiting(void)
{
    const struct job *first = NULL;
    size_t count = 0;
    for (const struct job *job = session.jobs.queued.first; job != NULL; job = job->next) {
        if (!is_counted(job))
            continue;
        if (first == NULL)
            first = job;
        count++;
    }
    bool begins = first != NULL && session.jobs.main_top == NULL && may_begin(first, WHERE_IDLE);
    return begins ? count - 1 : count;
}

bool choice_has_waited_long(void)
{
    return clock_us() - session.invocations.main_wait->since_us >= INVOKE_TABLE_LONG_WAIT_US;
}

/* Returns whether a job of unknown origin may run on top of the innermost wait. */
static bool may_run_foreign(void)
{
    return session.jobs.foreign == 0 && !invoke_table_main_is_answered() && !job_abort_waits_below();
}

/* Returns the first job that was made within a call that a task awaits. */
static struct job *find_job_of_tasks(void)
{
    struct job *job = session.jobs.nested.first;
    while (job != NULL && job->invocation->waiter != WAITER_TASK)
        job = job->next;
    return job;
}

/* Returns the first job that was made within a call that waits further down on the main thread's stack, or that a task
 * awaits. */
static struct job *find_job_of_others(void)
{
    struct job *job = session.jobs.nested.first;
    while (job != NULL && job->invocation->waiter == WAITER_THREAD)
        job = job->next;
    return job;
}

static struct job *find_queued_job(enum where where)
{
    struct job *job = job_first();
    return job != NULL && may_begin(job, where) ? job : NULL;
}

/* If the main thread waits in the loop, the wait is innermost; else the loop is. */
static struct job *choose_job(enum where where)
{
    const struct invocation *wait = session.invocations.main_wait;
    struct job *job = wait == NULL ? NULL : job_first_nested(wait);
    if (job == NULL && where != WHERE_WAIT)
        job = find_job_of_tasks();
    if (job != NULL)
        return job;
    if (wait == NULL)
        return find_queued_job(where);
    if (!choice_has_waited_long())
        return NULL;
    job = find_job_of_others();
    if (job == NULL && may_run_foreign() && (job = find_queued_job(WHERE_WAIT)) != NULL)
        job->foreign = true;
    return job;
}

/* Streams must not delay a wait below that is answered, except those that an answer may depend on. */
static struct stream *choose_stream(void)
{
    return stream_next_ready(invoke_table_main_is_answered() ? STREAM_WITHIN_ANY : 0);
}

struct work choice_make(enum where where)
{
    struct work work = {.kind = WORK_NONE};
    /* What is left is refused where the main thread leaves its waits and the loop. */
    if (session.stopping)
        return work;
    if (session.streams.turn)
        work.stream = choose_stream();
    if (work.stream == NULL)
        work.job = choose_job(where);
    if (work.stream == NULL && work.job == NULL)
        work.stream = choose_stream();
    session.streams.turn = work.job != NULL;
    if (work.job != NULL) {
        job_start(work.job, 0);
        work.kind = WORK_JOB;
    } else if (work.stream != NULL) {
        stream_enter(work.stream, 0);
        work.kind = WORK_STREAM;
    }
    return work;
}
