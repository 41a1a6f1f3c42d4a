/* Finds invocations by number, hands answers and nested jobs to them, and wakes the threads that wait. */
#include "exec/invoke_table.h"

#include <stdio.h>

#include "exec/stream.h"
#include "os/clock.h"
#include "os/thread.h"
#include "queue/session.h"
#include "wire/term.h"

void invoke_table_add(struct invocation *invocation)
{
    if (invocation->waiter == WAITER_THREAD)
        thread_condition_init(&invocation->arrived);
    invocation->since_us = clock_us();
    session_lock();
    invocation->number = ++session.invocations.last_number;
    invocation->next = session.invocations.first;
    session.invocations.first = invocation;
    session.invocations.count++;
    if (invocation->job != NULL)
        invocation->job->waits = true;
    if (invocation->waiter == WAITER_MAIN) {
        invocation->below = session.invocations.main_wait;
        session.invocations.main_wait = invocation;
        session.loop.blocked += session.loop.running;
    }
    session_unlock();
}

void invoke_table_remove(struct invocation *invocation)
{
    session_lock();
    struct invocation **at = &session.invocations.first;
    while (*at != invocation)
        at = &(*at)->next;
    *at = invocation->next;
    session.invocations.count--;
    if (invocation->waiter == WAITER_MAIN) {
        session.invocations.main_wait = invocation->below;
        session.loop.blocked -= session.loop.running;
    }
    if (job_requeue_nested(invocation))
        handoff_wake_main();
    session_unlock();
    if (invocation->waiter == WAITER_THREAD)
        pthread_cond_destroy(&invocation->arrived);
}

/* Finds the invocation of a call's id, which is {Number, Id of the request}. */
static struct invocation *find_invocation(struct span id)
{
    struct term_head tuple, number;
    long long value;
    if (term_read_head(&id, &tuple) != TERM_OK || tuple.kind != TERM_TUPLE || tuple.children != 2 ||
        term_read_head(&id, &number) != TERM_OK || !term_integer(&number, &value))
        return NULL;
    struct invocation *invocation = session.invocations.first;
    while (invocation != NULL && invocation->number != (unsigned long long)value)
        invocation = invocation->next;
    return invocation;
}

static void wake(struct invocation *invocation)
{
    switch (invocation->waiter) {
    case WAITER_THREAD:
        pthread_cond_signal(&invocation->arrived);
        break;
    case WAITER_MAIN:
    case WAITER_TASK:
        handoff_wake_main();
        break;
    }
}

bool invoke_table_answer(struct request *request)
{
    struct invocation *invocation = find_invocation(request->other);
    if (invocation == NULL || invocation->answered)
        return false;
    invocation->answer = *request;
    *request = (struct request){0};
    invocation->answered = true;
    wake(invocation);
    return true;
}

bool invoke_table_refuse(struct span id, const char *text)
{
    struct invocation *invocation = find_invocation(id);
    if (invocation == NULL || invocation->answered)
        return false;
    snprintf(invocation->refused, sizeof invocation->refused, "%s", text);
    invocation->answered = true;
    wake(invocation);
    return true;
}

bool invoke_table_nest(struct job *job)
{
    /* A stop made within a call ends the session, not the call, so it is queued. */
    bool may = job->request.within.length > 0 && job->request.operation != OPERATION_stop;
    struct invocation *invocation = may ? find_invocation(job->request.within) : NULL;
    if (invocation == NULL || invocation->answered)
        return false;
    job->within = invocation->number;
    job_nest(job, invocation);
    wake(invocation);
    return true;
}

void invoke_table_wake(const struct job *job)
{
    for (struct invocation *at = session.invocations.first; at != NULL; at = at->next)
        if (at->job == job)
            pthread_cond_signal(&at->arrived);
}

bool invoke_table_main_is_answered(void)
{
    for (const struct invocation *at = session.invocations.main_wait; at != NULL; at = at->below)
        if (at->answered)
            return true;
    return false;
}

void invoke_table_wake_within(const struct job *job)
{
    for (struct invocation *at = session.invocations.first; job->within != 0 && at != NULL; at = at->next)
        if (at->number == job->within && at->waiter == WAITER_THREAD)
            pthread_cond_signal(&at->arrived);
}

/* Returns whether the main thread has not looked for work for so long that it may be waiting for the calling thread. If
 * not, *until_us is when to check again. */
static bool main_is_stuck(unsigned long long *until_us)
{
    unsigned long long now = clock_us();
    bool works = session.jobs.main_top != NULL && session.handoff.place == MAIN_WORKS;
    *until_us = (works ? session.handoff.looked_us : now) + INVOKE_TABLE_LONG_WAIT_US;
    return works && *until_us <= now;
}

struct nested_work invoke_table_wait(struct invocation *invocation, unsigned long thread)
{
    struct nested_work work = {0};
    struct job *own = invocation->job;
    session_lock();
    for (;;) {
        unsigned long long until_us = 0;
        bool ends = session.stopping || session.ending;
        work.job = ends ? NULL : job_first_nested(invocation);
        if (work.job != NULL || invocation->answered || (own != NULL && job_abort_is_due(own)))
            break;
        struct stream *stream = ends ? NULL : stream_next_ready(invocation->number);
        if (stream != NULL && main_is_stuck(&until_us)) {
            work.stream = stream;
            stream_enter(stream, thread);
            break;
        }
        ranked_lock_wait(&session.lock, &invocation->arrived, until_us);
    }
    if (work.job != NULL)
        job_start(work.job, thread);
    session_unlock();
    return work;
}

struct invocation *invoke_table_find_task(const PyObject *future)
{
    session_lock();
    struct invocation *invocation = session.invocations.first;
    while (invocation != NULL && (invocation->waiter != WAITER_TASK || invocation->future != future))
        invocation = invocation->next;
    session_unlock();
    return invocation;
}

struct invocation *invoke_table_find_resolved_task(void)
{
    bool ended = atomic_load(&session.ended);
    session_lock();
    struct invocation *invocation = session.invocations.first;
    while (invocation != NULL && (invocation->waiter != WAITER_TASK || !(invocation->answered || ended)))
        invocation = invocation->next;
    session_unlock();
    return invocation;
}
