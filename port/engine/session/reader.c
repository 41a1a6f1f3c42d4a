/* Two threads share one descriptor: `reading` is held by whoever reads it. The watch keeps the reader thread asleep
 * while the main thread is idle and holds `reading` in a blocking read. */
#include "session/reader.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "exec/event_loop.h"
#include "exec/invoke_table.h"
#include "exec/reply.h"
#include "exec/stream.h"
#include "os/clock.h"
#include "os/exit_status.h"
#include "queue/handoff.h"
#include "queue/timer.h"
#include "session/control.h"
#include "session/info.h"
#include "session/refuse.h"
#include "wire/frame.h"
#include "wire/protocol.h"
#include "wire/term.h"

/* Between the interrupt that the end of input brings and the end of the process. */
#define GRACE_MS 500
/* How often a reader that was stopped by a full queue looks whether the other end still lives. */
#define FULL_QUEUE_LOOK_MS 50
/* And a reader while Python starts. */
#define START_LOOK_MS 50

struct input {
    struct input_options options;
    struct frame_reader *frames; /* guarded by reading */
    pthread_mutex_t reading;
    struct handoff watch;
    struct writer *writer;
    input_interrupt *interrupt;
    atomic_bool ready;
    atomic_bool ended;
    atomic_bool closed;   /* a stop was served: no request will run any more */
    atomic_bool stopping; /* the end of input has been waited for long enough */
    atomic_int exit_status;
    atomic_ullong bytes_in;
};

static void report_line(const char *line)
{
    fprintf(stderr, "pythonx_port: %s\n", line);
}

/* -- frames to requests -------------------------------------------------------------------------------------------- */

/* The request of a frame that is to run, in no list yet; NULL where there is none. Everything else is answered here. */
static struct job *accept_frame(struct input *input, struct frame *frame)
{
    struct request request;
    struct request_refusal refusal;
    unsigned long long bytes_in = atomic_fetch_add(&input->bytes_in, FRAME_HEADER + frame->length);
    if (!request_read(frame, &request, &refusal)) {
        request_send_error(input->writer, refusal.id, refusal.kind, refusal.message);
        frame_free(frame);
        return NULL;
    }
    const struct info info = {.max_frame = input->options.max_frame,
                              .bytes_in = bytes_in + FRAME_HEADER + request.frame.length,
                              .bytes_out = writer_bytes(input->writer)};
    if (!request_own(&request) && !request_is_brief(&request)) {
        refuse_request(input->writer, &request, PROTOCOL_EXCEPTION, "there is no memory for the request");
        request_free(&request);
        return NULL;
    }
    if (control_serve(&request, input->writer, &info)) {
        request_free(&request);
        return NULL;
    }
    struct job *job = job_new(&request);
    if (job == NULL) {
        refuse_request(input->writer, &request, PROTOCOL_EXCEPTION, "there is no memory for the request");
        request_free(&request);
        return NULL;
    }
    /* Somebody waits for what it was made within. */
    bool given = job->request.within.length > 0 && invoke_table_give(job);
    if (given)
        timer_at(job_next_deadline());
    return given ? NULL : job;
}

static void note_end(struct input *input, enum frame_status status)
{
    if (atomic_exchange(&input->ended, true))
        return;
    if (status == FRAME_CUT)
        report_line("the input ended in the middle of a frame");
    else if (status == FRAME_FAILED)
        fprintf(stderr, "pythonx_port: reading the input failed: %s\n", strerror(errno));
    if (status != FRAME_END)
        atomic_store(&input->exit_status, EXIT_STATUS_CUT_INPUT);
}

/* Reads at most once. What is to run, in no list yet, or NULL. */
static struct job *read_request(struct input *input)
{
    struct frame frame = {0};
    enum frame_status status = frame_reader_next(input->frames, &frame);
    switch (status) {
    case FRAME_READY:
        return accept_frame(input, &frame);
    case FRAME_REFUSED:
        refuse_frame(input->writer, &frame, frame_reader_announced(input->frames), input->options.max_frame);
        return NULL;
    case FRAME_WAIT:
        return NULL;
    case FRAME_END:
    case FRAME_CUT:
    case FRAME_FAILED:
        note_end(input, status);
        return NULL;
    }
    return NULL;
}

static void refuse_flight(struct input *input, struct job *job, const char *text)
{
    if (job->request.id.length > 0)
        request_send_error(input->writer, job->request.id, PROTOCOL_SHUTDOWN, text);
    job_end(job);
    job_free(job);
}

static void put_in_queue(struct input *input, struct job *job)
{
    if (atomic_load(&input->closed)) {
        refuse_flight(input, job, "the session was stopped before this request was run");
        return;
    }
    /* The main thread may have run and freed it as soon as it waits. */
    unsigned long long deadline = job->deadline_us;
    job_wait(job);
    timer_at(deadline);
    loop_wake();
}

static void read_into_queue(struct input *input)
{
    struct job *job = read_request(input);
    if (job != NULL)
        put_in_queue(input, job);
}

/* Frames that an earlier read brought along wake no watch: they are dealt with before anyone sleeps. */
static void queue_read_ahead(struct input *input)
{
    while (frame_reader_has_frame(input->frames))
        read_into_queue(input);
}

/* -- the main thread ----------------------------------------------------------------------------------------------- */

/* Polls for a while before the read that sleeps: waking a sleeping thread is most of a round trip. */
static void spin(const struct input *input)
{
    unsigned long long until = clock_us() + input->options.spin_us;
    while (!handoff_is_readable(&input->watch, 0) && clock_us() < until)
        ;
}

/* The first reason for a status other than 0 is the one that counts. */
static void give_up(struct input *input)
{
    int ok = EXIT_STATUS_OK;
    atomic_compare_exchange_strong(&input->exit_status, &ok, EXIT_STATUS_ABANDONED);
}

/* Then the session is over, whatever may still be asked. */
static bool nobody_reads(struct input *input)
{
    bool broken = writer_is_broken(input->writer);
    if (broken)
        give_up(input);
    return broken;
}

/* The milliseconds until the next deadline, `most` at most (-1: no limit). */
static int until_deadline(int most)
{
    unsigned long long deadline = job_next_deadline(), now = clock_us();
    if (deadline == 0)
        return most;
    unsigned long long left = deadline > now ? (deadline - now) / 1000 + 1 : 0;
    return most >= 0 && left > (unsigned long long)most ? most : left > INT_MAX ? INT_MAX : (int)left;
}

/* A stream that waits to be asked for more may have a deadline, which a read would sleep through. */
static bool may_read(struct input *input)
{
    return stream_count() == 0 || frame_reader_has_frame(input->frames) ||
           handoff_is_readable(&input->watch, until_deadline(-1));
}

static struct job *read_while_idle(struct input *input)
{
    struct job *job = NULL;
    if (input->options.spin_us > 0)
        spin(input);
    while (job == NULL && !atomic_load(&input->ended) && !nobody_reads(input) && !stream_is_ready())
        if (may_read(input))
            job = read_request(input);
    return job;
}

/* Requests that will not be run any more get their one reply all the same. True where there were any. */
static bool refuse_queued(struct input *input, const char *text)
{
    struct job *job;
    bool any = false;
    for (; (job = job_begin_next(NULL)) != NULL; any = true)
        refuse_flight(input, job, text);
    return any;
}

void input_close(struct input *input)
{
    /* Whoever queues a request holds `reading`: after this, none gets past the refusal. */
    pthread_mutex_lock(&input->reading);
    atomic_store(&input->closed, true);
    pthread_mutex_unlock(&input->reading);
    refuse_queued(input, "the session was stopped before this request was run");
}

enum input_event input_next(struct input *input, struct job **job)
{
    if (atomic_load(&input->stopping)) {
        if (refuse_queued(input, "the input ended before this request was run"))
            give_up(input);
        return INPUT_END;
    }
    if (nobody_reads(input))
        return INPUT_END;
    if ((*job = job_begin_next(NULL)) != NULL)
        return INPUT_REQUEST;
    if (stream_is_ready())
        return INPUT_STREAM;
    handoff_idle(&input->watch);
    pthread_mutex_lock(&input->reading);
    /* The reader thread may have queued something between the lines above. */
    if ((*job = job_begin_next(NULL)) == NULL && (*job = read_while_idle(input)) != NULL) {
        job_begin(*job);
        timer_at((*job)->deadline_us);
    }
    if (*job != NULL)
        queue_read_ahead(input);
    pthread_mutex_unlock(&input->reading);
    handoff_busy(&input->watch);
    if (*job != NULL)
        return INPUT_REQUEST;
    return stream_is_ready() ? INPUT_STREAM : INPUT_END;
}

bool input_wait(struct input *input, input_arrived *arrived, void *argument, int milliseconds)
{
    handoff_idle(&input->watch);
    pthread_mutex_lock(&input->reading);
    /* The reader thread may have read it. */
    if (!arrived(argument) && !atomic_load(&input->ended) &&
        (frame_reader_has_frame(input->frames) || handoff_is_readable(&input->watch, until_deadline(milliseconds))))
        read_into_queue(input);
    queue_read_ahead(input);
    pthread_mutex_unlock(&input->reading);
    handoff_busy(&input->watch);
    return !atomic_load(&input->ended) && !nobody_reads(input);
}

int input_exit_status(const struct input *input)
{
    return atomic_load(&input->exit_status);
}

/* -- the reader thread --------------------------------------------------------------------------------------------- */

/* The other end has gone, or will ask nothing more: what runs is interrupted, then the process ends. Runs even while
 * some C call holds the GIL for ever. Where somebody still reads, requests may go on as long as each of them ends
 * within the time to linger. */
__attribute__((noreturn)) static void end_process(struct input *input)
{
    bool gone;
    unsigned long long ended;
    do {
        ended = job_totals().ended;
        gone = handoff_peer_gone(input->options.output_fd, (int)input->options.linger_ms);
    } while (!gone && job_totals().ended != ended);
    atomic_store(&input->stopping, true);
    /* Not while Python is being shut down already: that is on its way out by itself. */
    if (job_totals().running > 0) {
        give_up(input);
        input->interrupt();
    }
    if (gone)
        usleep(GRACE_MS * 1000);
    else
        handoff_peer_gone(input->options.output_fd, GRACE_MS);
    give_up(input);
    _exit(atomic_load(&input->exit_status));
}

/* While Python waits for the BEAM the answer must get through, however much is queued. */
static void wait_for_room(struct input *input)
{
    while (!job_has_room() && invoke_table_count() == 0) {
        job_wait_room(FULL_QUEUE_LOOK_MS);
        if (handoff_peer_gone(input->options.output_fd, 0))
            atomic_store(&input->ended, true);
        if (atomic_load(&input->ended))
            return;
    }
}

static void read_while_busy(struct input *input)
{
    pthread_mutex_lock(&input->reading);
    /* The main thread may have become idle and read what woke us. */
    if (!atomic_load(&input->ended) && handoff_is_readable(&input->watch, 0)) {
        read_into_queue(input);
        queue_read_ahead(input);
    }
    pthread_mutex_unlock(&input->reading);
}

/* What is due though nothing came in. */
static void on_alarm(void)
{
    bool runs = job_any_has_verdict();
    timer_fired();
    unsigned long long now = clock_us();
    struct job *late = job_expire(now, &runs);
    while (late != NULL) {
        struct job *next = late->next;
        reply_verdict(late);
        late = next;
    }
    if (runs)
        control_interrupt();
    timer_at(job_next_deadline());
    timer_at(stream_send_due(now));
}

/* Python's start may take for ever, too: a module that is imported at each start may hang. */
static void wait_until_ready(struct input *input)
{
    while (!atomic_load(&input->ready)) {
        /* It may have become ready meanwhile. */
        if (handoff_peer_gone(input->options.output_fd, START_LOOK_MS) && !atomic_load(&input->ready)) {
            give_up(input);
            atomic_store(&input->ended, true);
            end_process(input);
        }
    }
}

void input_ready(struct input *input)
{
    atomic_store(&input->ready, true);
}

static void *reader_thread(void *argument)
{
    struct input *input = argument;
    wait_until_ready(input);
    for (;;) {
        switch (handoff_wait(&input->watch)) {
        case HANDOFF_ALARM:
            on_alarm();
            break;
        case HANDOFF_INPUT:
            wait_for_room(input);
            read_while_busy(input);
            if (atomic_load(&input->ended))
                end_process(input);
            break;
        case HANDOFF_FAILED:
            return NULL;
        }
    }
}

/* Signals are for Python's main thread. */
static int start_reader_thread(struct input *input)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, reader_thread, input);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        pthread_detach(thread);
    return failed;
}

/* A large binary in a frame becomes an array where it lies. */
static size_t find_bulk(const unsigned char *start, size_t length)
{
    struct span span = span_of(start, length);
    return length > 0 && span_take(&span, 1) != NULL ? term_find_binary(span, FRAME_BULK) : 0;
}

struct input *input_new(const struct input_options *options, struct writer *writer, input_interrupt *interrupt)
{
    struct input *input = calloc(1, sizeof *input);
    if (input == NULL)
        return NULL;
    input->options = *options;
    input->writer = writer;
    input->interrupt = interrupt;
    pthread_mutex_init(&input->reading, NULL);
    input->frames = frame_reader_new(options->input_fd, options->max_frame, find_bulk);
    if (input->frames == NULL) {
        errno = ENOMEM;
        goto failed;
    }
    if (!handoff_open(&input->watch, options->input_fd))
        goto failed;
    errno = start_reader_thread(input);
    if (errno == 0)
        return input;

failed:
    handoff_close();
    frame_reader_free(input->frames);
    free(input);
    return NULL;
}
