/* Keeps the lists of jobs by their state, and moves a job from one to another. */
#include "queue/job.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "queue/session.h"

static struct jobs *const jobs = &session.jobs;

/* The jobs of the calling thread, the innermost first. */
static _Thread_local struct job *top;

/* -- lists -------------------------------------------------------------------------------------------------------- */

static void list_append(struct job_list *list, struct job *job)
{
    job->previous = list->last;
    job->next = NULL;
    if (list->last == NULL)
        list->first = job;
    else
        list->last->next = job;
    list->last = job;
    list->count++;
}

static void list_remove(struct job_list *list, struct job *job)
{
    if (job->previous == NULL)
        list->first = job->next;
    else
        job->previous->next = job->next;
    if (job->next == NULL)
        list->last = job->previous;
    else
        job->next->previous = job->previous;
    job->previous = job->next = NULL;
    list->count--;
}

static struct job_list *list_of(enum job_state state)
{
    switch (state) {
    case JOB_QUEUED:
        return &jobs->queued;
    case JOB_NESTED:
        return &jobs->nested;
    case JOB_ON_MAIN:
    case JOB_ON_THREAD:
    case JOB_TASK:
    case JOB_STREAM:
        return &jobs->active;
    case JOB_NEW:
    case JOB_ENDED:
        break;
    }
    return NULL;
}

/* -- the states --------------------------------------------------------------------------------------------------- */

#ifdef PYTHONX_CHECKS
#    define TO(state) (1U << (state))

static const char *const state_names[] = {
    [JOB_NEW] = "new",
    [JOB_QUEUED] = "queued",
    [JOB_NESTED] = "nested",
    [JOB_ON_MAIN] = "on the main thread",
    [JOB_ON_THREAD] = "on a thread",
    [JOB_TASK] = "task",
    [JOB_STREAM] = "stream",
    [JOB_ENDED] = "ended",
};

static const unsigned arrows[] = {
    [JOB_NEW] = TO(JOB_QUEUED) | TO(JOB_NESTED) | TO(JOB_ON_MAIN) | TO(JOB_ENDED),
    [JOB_QUEUED] = TO(JOB_ON_MAIN) | TO(JOB_ENDED),
    [JOB_NESTED] = TO(JOB_QUEUED) | TO(JOB_ON_MAIN) | TO(JOB_ON_THREAD) | TO(JOB_ENDED),
    [JOB_ON_MAIN] = TO(JOB_TASK) | TO(JOB_STREAM) | TO(JOB_ENDED),
    [JOB_ON_THREAD] = TO(JOB_STREAM) | TO(JOB_ENDED),
    [JOB_TASK] = TO(JOB_ENDED),
    [JOB_STREAM] = TO(JOB_ENDED),
    [JOB_ENDED] = 0,
};

static void check_arrow(const struct job *job, enum job_state state)
{
    ranked_lock_assert_held(&session.lock);
    if (arrows[job->state] & TO(state))
        return;
    fprintf(stderr, "pythonx_port: a job moved from %s to %s\n", state_names[job->state], state_names[state]);
    abort();
}
#else
static inline void check_arrow(const struct job *job, enum job_state state)
{
    (void)job, (void)state;
}
#endif

static bool has_begun(enum job_state state)
{
    return list_of(state) == &jobs->active;
}

/* Returns whether other jobs must wait for this one: for a task, unless it, or the other job, is concurrent. */
static bool is_exclusive(const struct job *job)
{
    return job->state == JOB_TASK && !job->request.concurrent && job->request.operation != OPERATION_stream;
}

static void leave_state(struct job *job)
{
    struct job_list *list = list_of(job->state);
    if (list != NULL)
        list_remove(list, job);
    if (is_exclusive(job))
        jobs->exclusive--;
    if (job->state == JOB_TASK)
        session.loop.tasks--;
    if (job->state == JOB_QUEUED) {
        jobs->queued_bytes -= job->request.frame.length;
        pthread_cond_signal(&session.room);
    }
}

void job_note_event(unsigned long long us)
{
    if (us != 0 && (jobs->next_event == 0 || us < jobs->next_event))
        jobs->next_event = us;
}

static void enter_state(struct job *job)
{
    struct job_list *list = list_of(job->state);
    if (list != NULL)
        list_append(list, job);
    if (is_exclusive(job))
        jobs->exclusive++;
    if (job->state == JOB_TASK)
        session.loop.tasks++;
    if (job->state == JOB_QUEUED)
        jobs->queued_bytes += job->request.frame.length;
    if (list != NULL)
        job_note_event(job->deadline_us);
}

static void count_end(struct job *job)
{
    job->ended_us = clock_us();
    jobs->totals.errors += job->failed;
    if (job->started_us == 0)
        return;
    jobs->totals.ended++;
    jobs->totals.queue_us += job->started_us - job->read_us;
    jobs->totals.run_us += job->ended_us - job->started_us;
}

void job_move(struct job *job, enum job_state state)
{
    check_arrow(job, state);
    bool begins = has_begun(state) && !has_begun(job->state);
    leave_state(job);
    job->state = state;
    enter_state(job);
    if (state != JOB_NESTED)
        job->invocation = NULL;
    if (begins) {
        job->started_us = clock_us();
        jobs->totals.begun++;
    }
    if (state == JOB_ENDED)
        count_end(job);
}

struct job *job_new(struct request *request)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->request = *request;
    *request = (struct request){0};
    job->read_us = clock_us();
    if (job->request.has_timeout)
        job->deadline_us = job->read_us + job->request.timeout_ms * 1000;
    return job;
}

void job_free(struct job *job)
{
    request_free(&job->request);
    free(job);
}

/* -- the queue ---------------------------------------------------------------------------------------------------- */

void job_enqueue(struct job *job)
{
    job_move(job, JOB_QUEUED);
}

struct job *job_first(void)
{
    return jobs->queued.first;
}

struct job *job_first_nested(const struct invocation *invocation)
{
    struct job *job = jobs->nested.first;
    while (job != NULL && invocation != NULL && job->invocation != invocation)
        job = job->next;
    return job;
}

void job_nest(struct job *job, struct invocation *invocation)
{
    job_move(job, JOB_NESTED);
    job->invocation = invocation;
}

bool job_requeue_nested(const struct invocation *invocation)
{
    struct job *job;
    bool any = false;
    for (; (job = job_first_nested(invocation)) != NULL; any = true)
        job_move(job, JOB_QUEUED);
    return any;
}

bool job_has_room(void)
{
    return jobs->queued.count == 0 || (jobs->queued.count < JOB_COUNT_MAX && jobs->queued_bytes < JOB_BYTES_MAX);
}

/* -- running ------------------------------------------------------------------------------------------------------ */

void job_push(struct job *job)
{
    job->below = top;
    job->on_stack = true;
    job->covered = false;
    if (top != NULL)
        top->covered = true;
    top = job;
    if (job->thread == 0)
        jobs->main_top = job;
    jobs->foreign += job->foreign;
}

void job_pop(struct job *job)
{
    top = job->below;
    job->below = NULL;
    job->on_stack = false;
    if (top != NULL)
        top->covered = false;
    if (job->thread == 0)
        jobs->main_top = top;
    jobs->foreign -= job->foreign;
}

void job_start(struct job *job, unsigned long thread)
{
    job->thread = thread;
    job_move(job, thread == 0 ? JOB_ON_MAIN : JOB_ON_THREAD);
    job_push(job);
}

struct job *job_top(void)
{
    return top;
}

bool job_is_covered(const struct job *job)
{
    return job->covered || (session.loop.running && session.loop.base == job);
}

bool job_abort_waits_below(void)
{
    for (const struct job *job = jobs->main_top; job != NULL; job = job->below)
        if (job_abort_is_due(job))
            return true;
    return false;
}

void job_finish(struct job *job)
{
    if (job->on_stack)
        job_pop(job);
    job_move(job, JOB_ENDED);
}

/* -- streams ------------------------------------------------------------------------------------------------------ */

bool job_has_id(const struct job *job, struct span id)
{
    struct span own = job->request.id;
    return own.length == id.length && memcmp(own.bytes, id.bytes, id.length) == 0;
}

static struct job *find_stream(const struct job_list *list, struct span id)
{
    struct job *job = list->first;
    while (job != NULL && (job->request.operation != OPERATION_stream || !job_has_id(job, id)))
        job = job->next;
    return job;
}

struct job *job_grant(struct span id, unsigned long long count)
{
    struct job *job = find_stream(&jobs->active, id);
    if (job == NULL)
        job = find_stream(&jobs->nested, id);
    if (job == NULL)
        job = find_stream(&jobs->queued, id);
    if (job != NULL)
        job->granted = count > ULLONG_MAX - job->granted ? ULLONG_MAX : job->granted + count;
    return job;
}
