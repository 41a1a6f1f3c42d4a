/* Two lists under one lock: what waits, in order, and what runs. */
#include "flight.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"

#define COUNT_BOUND 16384
#define BYTES_BOUND ((size_t)256 * 1024 * 1024)

struct list {
    struct flight *first, *last;
    size_t count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t room = PTHREAD_COND_INITIALIZER;
static struct list waiting, running;
static size_t waiting_bytes;
static unsigned long long next_deadline; /* no flight's is earlier; 0: none has one */
static struct flight_totals totals;
static struct flight *shown;

/* -- lists, with the lock held ------------------------------------------------------------------------------------- */

static void append(struct list *list, struct flight *flight)
{
    flight->previous = list->last;
    flight->next = NULL;
    if (list->last == NULL)
        list->first = flight;
    else
        list->last->next = flight;
    list->last = flight;
    list->count++;
}

static void take_out(struct list *list, struct flight *flight)
{
    if (flight->previous == NULL)
        list->first = flight->next;
    else
        flight->previous->next = flight->next;
    if (flight->next == NULL)
        list->last = flight->previous;
    else
        flight->next->previous = flight->previous;
    flight->previous = flight->next = NULL;
    list->count--;
}

static void stop_waiting(struct flight *flight)
{
    take_out(&waiting, flight);
    flight->waits = false;
    waiting_bytes -= flight->request.frame.length;
    pthread_cond_signal(&room);
}

static void start_running(struct flight *flight)
{
    flight->started_us = clock_us();
    append(&running, flight);
    totals.begun++;
}

static bool has_room(void)
{
    return waiting.count == 0 || (waiting.count < COUNT_BOUND && waiting_bytes < BYTES_BOUND);
}

static void note_deadline(const struct flight *flight)
{
    if (flight->deadline_us != 0 && (next_deadline == 0 || flight->deadline_us < next_deadline))
        next_deadline = flight->deadline_us;
}

/* -- a flight's way ------------------------------------------------------------------------------------------------ */

struct flight *flight_new(struct request *request)
{
    struct flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL)
        return NULL;
    flight->request = *request;
    *request = (struct request){0};
    flight->read_us = clock_us();
    if (flight->request.has_timeout)
        flight->deadline_us = flight->read_us + flight->request.timeout_ms * 1000;
    return flight;
}

static void start_waiting(struct flight *flight)
{
    flight->waits = true;
    append(&waiting, flight);
    waiting_bytes += flight->request.frame.length;
    note_deadline(flight);
}

void flight_wait(struct flight *flight)
{
    pthread_mutex_lock(&lock);
    start_waiting(flight);
    pthread_mutex_unlock(&lock);
}

void flight_wait_again(struct flight *flight)
{
    pthread_mutex_lock(&lock);
    take_out(&running, flight);
    flight->started_us = 0;
    totals.begun--;
    start_waiting(flight);
    pthread_mutex_unlock(&lock);
}

void flight_begin(struct flight *flight)
{
    pthread_mutex_lock(&lock);
    start_running(flight);
    note_deadline(flight);
    pthread_mutex_unlock(&lock);
}

struct flight *flight_begin_next(flight_may_begin *may_begin)
{
    pthread_mutex_lock(&lock);
    struct flight *flight = waiting.first;
    if (flight != NULL && may_begin != NULL && !may_begin(flight))
        flight = NULL;
    if (flight != NULL) {
        stop_waiting(flight);
        start_running(flight);
    }
    pthread_mutex_unlock(&lock);
    return flight;
}

void flight_end(struct flight *flight)
{
    pthread_mutex_lock(&lock);
    flight->ended_us = clock_us();
    if (shown == flight)
        shown = NULL;
    /* One that was told while it waited is in no list, and never began. */
    if (flight->started_us != 0) {
        take_out(&running, flight);
        totals.ended++;
        totals.queue_us += flight->started_us - flight->read_us;
        totals.run_us += flight->ended_us - flight->started_us;
    }
    totals.errors += flight->failed;
    pthread_mutex_unlock(&lock);
}

void flight_free(struct flight *flight)
{
    request_free(&flight->request);
    free(flight);
}

struct flight *flight_show(struct flight *flight)
{
    pthread_mutex_lock(&lock);
    struct flight *before = shown;
    shown = flight;
    pthread_mutex_unlock(&lock);
    return before;
}

void flight_tell_shown(void (*put)(void *argument, struct span id, unsigned long long started_us), void *argument)
{
    pthread_mutex_lock(&lock);
    if (shown == NULL)
        put(argument, (struct span){0}, 0);
    else
        put(argument, shown->request.id, shown->started_us);
    pthread_mutex_unlock(&lock);
}

/* -- being told to end --------------------------------------------------------------------------------------------- */

/* Ids are compared as they came: a client writes the same id in the same way. */
static bool has_id(const struct flight *flight, struct span id)
{
    struct span own = flight->request.id;
    return own.length == id.length && memcmp(own.bytes, id.bytes, id.length) == 0;
}

static void tell(struct flight *flight, enum flight_verdict verdict)
{
    flight->verdict = verdict;
    flight->told = false;
    flight->deadline_us = 0;
}

struct flight *flight_cancel(struct span id, bool *runs)
{
    struct flight *found = NULL;
    if (id.length == 0)
        return NULL;
    pthread_mutex_lock(&lock);
    for (struct flight *flight = running.first; flight != NULL; flight = flight->next) {
        if (has_id(flight, id)) {
            tell(flight, FLIGHT_CANCELLED);
            *runs = true;
        }
    }
    for (struct flight *flight = waiting.first; flight != NULL && found == NULL && !*runs; flight = flight->next)
        if (has_id(flight, id))
            found = flight;
    if (found != NULL) {
        tell(found, FLIGHT_CANCELLED);
        stop_waiting(found);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

struct flight *flight_expire(unsigned long long now_us, bool *runs)
{
    struct flight *late = NULL, *next;
    pthread_mutex_lock(&lock);
    next_deadline = 0;
    for (struct flight *flight = running.first; flight != NULL; flight = flight->next) {
        if (flight->deadline_us != 0 && flight->deadline_us <= now_us) {
            tell(flight, FLIGHT_TIMED_OUT);
            *runs = true;
        }
        note_deadline(flight);
    }
    for (struct flight *flight = waiting.first; flight != NULL; flight = next) {
        next = flight->next;
        if (flight->deadline_us != 0 && flight->deadline_us <= now_us) {
            tell(flight, FLIGHT_TIMED_OUT);
            stop_waiting(flight);
            flight->next = late;
            late = flight;
        } else {
            note_deadline(flight);
        }
    }
    pthread_mutex_unlock(&lock);
    return late;
}

static struct flight *find(const struct list *list, struct span id)
{
    for (struct flight *flight = list->first; flight != NULL; flight = flight->next)
        if (flight->request.operation == OPERATION_stream && has_id(flight, id))
            return flight;
    return NULL;
}

bool flight_grant(struct span id, unsigned long long count)
{
    pthread_mutex_lock(&lock);
    struct flight *stream = find(&running, id);
    bool runs = stream != NULL;
    if (!runs)
        stream = find(&waiting, id);
    if (stream != NULL)
        stream->granted = count > ULLONG_MAX - stream->granted ? ULLONG_MAX : stream->granted + count;
    pthread_mutex_unlock(&lock);
    return runs;
}

unsigned long long flight_granted(const struct flight *flight)
{
    pthread_mutex_lock(&lock);
    unsigned long long granted = flight->granted;
    pthread_mutex_unlock(&lock);
    return granted;
}

unsigned long long flight_next_deadline(void)
{
    pthread_mutex_lock(&lock);
    unsigned long long deadline = next_deadline;
    pthread_mutex_unlock(&lock);
    return deadline;
}

static bool has_verdict(const struct flight *flight)
{
    return flight->verdict != FLIGHT_GOES_ON && !flight->told;
}

bool flight_has_verdict(struct flight *flight)
{
    pthread_mutex_lock(&lock);
    bool has = has_verdict(flight);
    pthread_mutex_unlock(&lock);
    return has;
}

bool flight_any_has_verdict(void)
{
    bool any = false;
    pthread_mutex_lock(&lock);
    for (struct flight *flight = running.first; flight != NULL && !any; flight = flight->next)
        any = has_verdict(flight);
    pthread_mutex_unlock(&lock);
    return any;
}

static enum flight_verdict take_verdict(struct flight *flight)
{
    enum flight_verdict verdict = flight->told ? FLIGHT_GOES_ON : flight->verdict;
    flight->told = true;
    return verdict;
}

enum flight_verdict flight_take_verdict(struct flight *flight)
{
    pthread_mutex_lock(&lock);
    enum flight_verdict verdict = take_verdict(flight);
    pthread_mutex_unlock(&lock);
    return verdict;
}

void flight_untell(struct flight *flight)
{
    pthread_mutex_lock(&lock);
    flight->told = false;
    pthread_mutex_unlock(&lock);
}

void flight_set_thread(struct flight *flight, unsigned long thread)
{
    pthread_mutex_lock(&lock);
    flight->thread = thread;
    pthread_mutex_unlock(&lock);
}

unsigned long flight_take_thread_verdict(enum flight_verdict *verdict)
{
    unsigned long thread = 0;
    pthread_mutex_lock(&lock);
    for (struct flight *flight = running.first; flight != NULL && thread == 0; flight = flight->next) {
        if (flight->thread != 0 && has_verdict(flight)) {
            thread = flight->thread;
            *verdict = take_verdict(flight);
        }
    }
    pthread_mutex_unlock(&lock);
    return thread;
}

/* -- what waits ---------------------------------------------------------------------------------------------------- */

bool flight_has_room(void)
{
    pthread_mutex_lock(&lock);
    bool has = has_room();
    pthread_mutex_unlock(&lock);
    return has;
}

void flight_wait_room(unsigned milliseconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(milliseconds / 1000);
    until.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&lock);
    if (!has_room())
        (void)pthread_cond_timedwait(&room, &lock, &until);
    pthread_mutex_unlock(&lock);
}

bool flight_any_waits(void)
{
    pthread_mutex_lock(&lock);
    bool any = waiting.count > 0;
    pthread_mutex_unlock(&lock);
    return any;
}

struct flight_totals flight_totals(void)
{
    pthread_mutex_lock(&lock);
    struct flight_totals now = totals;
    now.waiting = waiting.count;
    now.running = running.count;
    pthread_mutex_unlock(&lock);
    return now;
}
