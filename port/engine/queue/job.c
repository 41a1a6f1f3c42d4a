/* Two lists under one lock: what waits, in order, and what runs. */
#include "queue/job.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/clock.h"

#define COUNT_BOUND 16384
#define BYTES_BOUND ((size_t)256 * 1024 * 1024)

struct list {
    struct job *first, *last;
    size_t count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t room = PTHREAD_COND_INITIALIZER;
static struct list waiting, running;
static size_t waiting_bytes;
static unsigned long long next_deadline; /* no job's is earlier; 0: none has one */
static struct job_totals totals;
static struct job *shown;

/* -- lists, with the lock held ------------------------------------------------------------------------------------- */

static void append(struct list *list, struct job *job)
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

static void take_out(struct list *list, struct job *job)
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

static void stop_waiting(struct job *job)
{
    take_out(&waiting, job);
    job->waits = false;
    waiting_bytes -= job->request.frame.length;
    pthread_cond_signal(&room);
}

static void start_running(struct job *job)
{
    job->started_us = clock_us();
    append(&running, job);
    totals.begun++;
}

static bool has_room(void)
{
    return waiting.count == 0 || (waiting.count < COUNT_BOUND && waiting_bytes < BYTES_BOUND);
}

static void note_deadline(const struct job *job)
{
    if (job->deadline_us != 0 && (next_deadline == 0 || job->deadline_us < next_deadline))
        next_deadline = job->deadline_us;
}

/* -- a job's way ------------------------------------------------------------------------------------------------ */

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

static void start_waiting(struct job *job)
{
    job->waits = true;
    append(&waiting, job);
    waiting_bytes += job->request.frame.length;
    note_deadline(job);
}

void job_wait(struct job *job)
{
    pthread_mutex_lock(&lock);
    start_waiting(job);
    pthread_mutex_unlock(&lock);
}

void job_wait_again(struct job *job)
{
    pthread_mutex_lock(&lock);
    take_out(&running, job);
    job->started_us = 0;
    totals.begun--;
    start_waiting(job);
    pthread_mutex_unlock(&lock);
}

void job_begin(struct job *job)
{
    pthread_mutex_lock(&lock);
    start_running(job);
    note_deadline(job);
    pthread_mutex_unlock(&lock);
}

struct job *job_begin_next(job_may_begin *may_begin)
{
    pthread_mutex_lock(&lock);
    struct job *job = waiting.first;
    if (job != NULL && may_begin != NULL && !may_begin(job))
        job = NULL;
    if (job != NULL) {
        stop_waiting(job);
        start_running(job);
    }
    pthread_mutex_unlock(&lock);
    return job;
}

void job_end(struct job *job)
{
    pthread_mutex_lock(&lock);
    job->ended_us = clock_us();
    if (shown == job)
        shown = NULL;
    /* One that was told while it waited is in no list, and never began. */
    if (job->started_us != 0) {
        take_out(&running, job);
        totals.ended++;
        totals.queue_us += job->started_us - job->read_us;
        totals.run_us += job->ended_us - job->started_us;
    }
    totals.errors += job->failed;
    pthread_mutex_unlock(&lock);
}

void job_free(struct job *job)
{
    request_free(&job->request);
    free(job);
}

struct job *job_show(struct job *job)
{
    pthread_mutex_lock(&lock);
    struct job *before = shown;
    shown = job;
    pthread_mutex_unlock(&lock);
    return before;
}

void job_tell_shown(void (*put)(void *argument, struct span id, unsigned long long started_us), void *argument)
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
static bool has_id(const struct job *job, struct span id)
{
    struct span own = job->request.id;
    return own.length == id.length && memcmp(own.bytes, id.bytes, id.length) == 0;
}

static void tell(struct job *job, enum job_verdict verdict)
{
    job->verdict = verdict;
    job->told = false;
    job->deadline_us = 0;
}

struct job *job_cancel(struct span id, bool *runs)
{
    struct job *found = NULL;
    if (id.length == 0)
        return NULL;
    pthread_mutex_lock(&lock);
    for (struct job *job = running.first; job != NULL; job = job->next) {
        if (has_id(job, id)) {
            tell(job, JOB_CANCELLED);
            *runs = true;
        }
    }
    for (struct job *job = waiting.first; job != NULL && found == NULL && !*runs; job = job->next)
        if (has_id(job, id))
            found = job;
    if (found != NULL) {
        tell(found, JOB_CANCELLED);
        stop_waiting(found);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

struct job *job_expire(unsigned long long now_us, bool *runs)
{
    struct job *late = NULL, *next;
    pthread_mutex_lock(&lock);
    next_deadline = 0;
    for (struct job *job = running.first; job != NULL; job = job->next) {
        if (job->deadline_us != 0 && job->deadline_us <= now_us) {
            tell(job, JOB_TIMED_OUT);
            *runs = true;
        }
        note_deadline(job);
    }
    for (struct job *job = waiting.first; job != NULL; job = next) {
        next = job->next;
        if (job->deadline_us != 0 && job->deadline_us <= now_us) {
            tell(job, JOB_TIMED_OUT);
            stop_waiting(job);
            job->next = late;
            late = job;
        } else {
            note_deadline(job);
        }
    }
    pthread_mutex_unlock(&lock);
    return late;
}

static struct job *find(const struct list *list, struct span id)
{
    for (struct job *job = list->first; job != NULL; job = job->next)
        if (job->request.operation == OPERATION_stream && has_id(job, id))
            return job;
    return NULL;
}

bool job_grant(struct span id, unsigned long long count)
{
    pthread_mutex_lock(&lock);
    struct job *stream = find(&running, id);
    bool runs = stream != NULL;
    if (!runs)
        stream = find(&waiting, id);
    if (stream != NULL)
        stream->granted = count > ULLONG_MAX - stream->granted ? ULLONG_MAX : stream->granted + count;
    pthread_mutex_unlock(&lock);
    return runs;
}

unsigned long long job_granted(const struct job *job)
{
    pthread_mutex_lock(&lock);
    unsigned long long granted = job->granted;
    pthread_mutex_unlock(&lock);
    return granted;
}

unsigned long long job_next_deadline(void)
{
    pthread_mutex_lock(&lock);
    unsigned long long deadline = next_deadline;
    pthread_mutex_unlock(&lock);
    return deadline;
}

static bool has_verdict(const struct job *job)
{
    return job->verdict != JOB_GOES_ON && !job->told;
}

bool job_has_verdict(struct job *job)
{
    pthread_mutex_lock(&lock);
    bool has = has_verdict(job);
    pthread_mutex_unlock(&lock);
    return has;
}

bool job_any_has_verdict(void)
{
    bool any = false;
    pthread_mutex_lock(&lock);
    for (struct job *job = running.first; job != NULL && !any; job = job->next)
        any = has_verdict(job);
    pthread_mutex_unlock(&lock);
    return any;
}

static enum job_verdict take_verdict(struct job *job)
{
    enum job_verdict verdict = job->told ? JOB_GOES_ON : job->verdict;
    job->told = true;
    return verdict;
}

enum job_verdict job_take_verdict(struct job *job)
{
    pthread_mutex_lock(&lock);
    enum job_verdict verdict = take_verdict(job);
    pthread_mutex_unlock(&lock);
    return verdict;
}

void job_untell(struct job *job)
{
    pthread_mutex_lock(&lock);
    job->told = false;
    pthread_mutex_unlock(&lock);
}

void job_set_thread(struct job *job, unsigned long thread)
{
    pthread_mutex_lock(&lock);
    job->thread = thread;
    pthread_mutex_unlock(&lock);
}

unsigned long job_take_thread_verdict(enum job_verdict *verdict)
{
    unsigned long thread = 0;
    pthread_mutex_lock(&lock);
    for (struct job *job = running.first; job != NULL && thread == 0; job = job->next) {
        if (job->thread != 0 && has_verdict(job)) {
            thread = job->thread;
            *verdict = take_verdict(job);
        }
    }
    pthread_mutex_unlock(&lock);
    return thread;
}

/* -- what waits ---------------------------------------------------------------------------------------------------- */

bool job_has_room(void)
{
    pthread_mutex_lock(&lock);
    bool has = has_room();
    pthread_mutex_unlock(&lock);
    return has;
}

void job_wait_room(unsigned milliseconds)
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

bool job_any_waits(void)
{
    pthread_mutex_lock(&lock);
    bool any = waiting.count > 0;
    pthread_mutex_unlock(&lock);
    return any;
}

struct job_totals job_totals(void)
{
    pthread_mutex_lock(&lock);
    struct job_totals now = totals;
    now.waiting = waiting.count;
    now.running = running.count;
    pthread_mutex_unlock(&lock);
    return now;
}
