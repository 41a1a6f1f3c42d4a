#include "exec/invoke_table.h"

#include <stdio.h>

#include "exec/event_loop.h"
#include "exec/stream.h"
#include "wire/term.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct invocation *calls;
static unsigned long long last_number;
static size_t count;

size_t invoke_table_count(void)
{
    pthread_mutex_lock(&lock);
    size_t now = count;
    pthread_mutex_unlock(&lock);
    return now;
}

void invoke_table_add(struct invocation *call)
{
    pthread_cond_init(&call->arrived, NULL);
    pthread_mutex_lock(&lock);
    call->number = ++last_number;
    call->next = calls;
    calls = call;
    count++;
    pthread_mutex_unlock(&lock);
}

void invoke_table_remove(struct invocation *call)
{
    pthread_mutex_lock(&lock);
    struct invocation **at = &calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    count--;
    struct job *given = call->given;
    call->given = NULL;
    pthread_mutex_unlock(&lock);
    while (given != NULL) {
        struct job *next = given->following;
        job_wait_again(given);
        given = next;
    }
    pthread_cond_destroy(&call->arrived);
}

/* With the lock held. A call's id is {Number, Id of the request}. */
static struct invocation *find(struct span id)
{
    struct term_head tuple, number;
    long long value;
    if (term_read_head(&id, &tuple) != TERM_OK || tuple.kind != TERM_TUPLE || tuple.children != 2 ||
        term_read_head(&id, &number) != TERM_OK || !term_integer(&number, &value))
        return NULL;
    struct invocation *call = calls;
    while (call != NULL && call->number != (unsigned long long)value)
        call = call->next;
    return call;
}

static void wake(const struct invocation *call)
{
    if (call->waiter == WAITER_TASK)
        loop_wake();
}

bool invoke_table_answer(struct request *request)
{
    pthread_mutex_lock(&lock);
    struct invocation *call = find(request->other);
    bool taken = call != NULL && !call->answered;
    if (taken) {
        call->answer = *request;
        *request = (struct request){0};
        call->answered = true;
        pthread_cond_signal(&call->arrived);
        wake(call);
    }
    pthread_mutex_unlock(&lock);
    return taken;
}

bool invoke_table_refuse(struct span id, const char *text)
{
    pthread_mutex_lock(&lock);
    struct invocation *call = find(id);
    bool waits = call != NULL && !call->answered;
    if (waits) {
        snprintf(call->refused, sizeof call->refused, "%s", text);
        call->answered = true;
        pthread_cond_signal(&call->arrived);
        wake(call);
    }
    pthread_mutex_unlock(&lock);
    return waits;
}

bool invoke_table_give(struct job *job)
{
    pthread_mutex_lock(&lock);
    struct invocation *call = find(job->request.within);
    bool taken = call != NULL && !call->answered;
    if (taken) {
        struct job **end = &call->given;
        while (*end != NULL)
            end = &(*end)->following;
        *end = job;
        /* From here on a cancel finds it. */
        job_begin(job);
        pthread_cond_signal(&call->arrived);
        wake(call);
    }
    pthread_mutex_unlock(&lock);
    return taken;
}

void invoke_table_wake_threads(void)
{
    pthread_mutex_lock(&lock);
    for (struct invocation *call = calls; call != NULL; call = call->next)
        pthread_cond_signal(&call->arrived);
    pthread_mutex_unlock(&lock);
}

/* With the lock held. */
static struct job *take_given(struct invocation *call)
{
    struct job *job = call->given;
    if (job != NULL)
        call->given = job->following;
    return job;
}

struct job *invoke_table_take_for_task(void)
{
    struct job *job = NULL;
    pthread_mutex_lock(&lock);
    for (struct invocation *call = calls; call != NULL && job == NULL; call = call->next)
        if (call->waiter == WAITER_TASK)
            job = take_given(call);
    pthread_mutex_unlock(&lock);
    return job;
}

struct job *invoke_table_take_given(struct invocation *call, bool *answered)
{
    pthread_mutex_lock(&lock);
    struct job *job = take_given(call);
    *answered = call->answered;
    pthread_mutex_unlock(&lock);
    return job;
}

bool invoke_table_has_arrived(void *argument)
{
    const struct invocation *call = argument;
    pthread_mutex_lock(&lock);
    bool arrived = call->answered || call->given != NULL || stream_is_ready();
    pthread_mutex_unlock(&lock);
    return arrived;
}

void invoke_table_wait(struct invocation *call)
{
    pthread_mutex_lock(&lock);
    while (!call->answered && call->given == NULL && !stream_is_ready())
        pthread_cond_wait(&call->arrived, &lock);
    pthread_mutex_unlock(&lock);
}

struct invocation *invoke_table_find_task(const PyObject *future)
{
    pthread_mutex_lock(&lock);
    struct invocation *call = calls;
    while (call != NULL && (call->waiter != WAITER_TASK || call->future != future))
        call = call->next;
    pthread_mutex_unlock(&lock);
    return call;
}

struct invocation *invoke_table_find_answered_task(void)
{
    pthread_mutex_lock(&lock);
    struct invocation *call = calls;
    while (call != NULL && (call->waiter != WAITER_TASK || !call->answered))
        call = call->next;
    pthread_mutex_unlock(&lock);
    return call;
}
