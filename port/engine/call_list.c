#include "call_list.h"

#include "loop.h"
#include "stream.h"
#include "term.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct call *calls;
static unsigned long long last_number;
static size_t count;

size_t call_list_count(void)
{
    pthread_mutex_lock(&lock);
    size_t now = count;
    pthread_mutex_unlock(&lock);
    return now;
}

void call_list_add(struct call *call)
{
    pthread_cond_init(&call->arrived, NULL);
    pthread_mutex_lock(&lock);
    call->number = ++last_number;
    call->next = calls;
    calls = call;
    count++;
    pthread_mutex_unlock(&lock);
}

void call_list_remove(struct call *call)
{
    pthread_mutex_lock(&lock);
    struct call **at = &calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    count--;
    struct flight *given = call->given;
    call->given = NULL;
    pthread_mutex_unlock(&lock);
    while (given != NULL) {
        struct flight *next = given->following;
        flight_wait_again(given);
        given = next;
    }
    pthread_cond_destroy(&call->arrived);
}

/* With the lock held. A call's id is {Number, Id of the request}. */
static struct call *find(struct span id)
{
    struct term_head tuple, number;
    long long value;
    if (term_read_head(&id, &tuple) != TERM_OK || tuple.kind != TERM_TUPLE || tuple.children != 2 ||
        term_read_head(&id, &number) != TERM_OK || !term_integer(&number, &value))
        return NULL;
    struct call *call = calls;
    while (call != NULL && call->number != (unsigned long long)value)
        call = call->next;
    return call;
}

static void wake(const struct call *call)
{
    if (call->waiter == WAITER_TASK)
        loop_wake();
}

bool call_list_answer(struct request *request)
{
    pthread_mutex_lock(&lock);
    struct call *call = find(request->other);
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

bool call_list_give(struct flight *flight)
{
    pthread_mutex_lock(&lock);
    struct call *call = find(flight->request.within);
    bool taken = call != NULL && !call->answered;
    if (taken) {
        struct flight **end = &call->given;
        while (*end != NULL)
            end = &(*end)->following;
        *end = flight;
        /* From here on a cancel finds it. */
        flight_begin(flight);
        pthread_cond_signal(&call->arrived);
        wake(call);
    }
    pthread_mutex_unlock(&lock);
    return taken;
}

void call_list_wake_threads(void)
{
    pthread_mutex_lock(&lock);
    for (struct call *call = calls; call != NULL; call = call->next)
        pthread_cond_signal(&call->arrived);
    pthread_mutex_unlock(&lock);
}

/* With the lock held. */
static struct flight *take_given(struct call *call)
{
    struct flight *flight = call->given;
    if (flight != NULL)
        call->given = flight->following;
    return flight;
}

struct flight *call_list_take_for_task(void)
{
    struct flight *flight = NULL;
    pthread_mutex_lock(&lock);
    for (struct call *call = calls; call != NULL && flight == NULL; call = call->next)
        if (call->waiter == WAITER_TASK)
            flight = take_given(call);
    pthread_mutex_unlock(&lock);
    return flight;
}

struct flight *call_list_take_given(struct call *call, bool *answered)
{
    pthread_mutex_lock(&lock);
    struct flight *flight = take_given(call);
    *answered = call->answered;
    pthread_mutex_unlock(&lock);
    return flight;
}

bool call_list_has_arrived(void *argument)
{
    const struct call *call = argument;
    pthread_mutex_lock(&lock);
    bool arrived = call->answered || call->given != NULL || stream_is_ready();
    pthread_mutex_unlock(&lock);
    return arrived;
}

void call_list_wait(struct call *call)
{
    pthread_mutex_lock(&lock);
    while (!call->answered && call->given == NULL && !stream_is_ready())
        pthread_cond_wait(&call->arrived, &lock);
    pthread_mutex_unlock(&lock);
}

struct call *call_list_find_task(const PyObject *future)
{
    pthread_mutex_lock(&lock);
    struct call *call = calls;
    while (call != NULL && (call->waiter != WAITER_TASK || call->future != future))
        call = call->next;
    pthread_mutex_unlock(&lock);
    return call;
}

struct call *call_list_find_answered_task(void)
{
    pthread_mutex_lock(&lock);
    struct call *call = calls;
    while (call != NULL && (call->waiter != WAITER_TASK || !call->answered))
        call = call->next;
    pthread_mutex_unlock(&lock);
    return call;
}
