/* Two threads share one descriptor: `reading` is held by whoever reads it. The watch keeps the reader thread asleep
 * while the main thread is idle and holds `reading` in a blocking read. */
#include "input.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine_api.h"
#include "frame.h"
#include "info.h"
#include "queue.h"
#include "segment_request.h"
#include "term.h"
#include "watch.h"

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
    struct watch watch;
    struct queue *queue;
    struct writer *writer;
    input_interrupt *interrupt;
    atomic_bool ready;
    atomic_bool ended;
    atomic_bool closed;   /* a stop was served: no request will run any more */
    atomic_bool stopping; /* the end of input has been waited for long enough */
    atomic_int exit_status;
    atomic_ullong bytes_in;

    pthread_mutex_t telling; /* guards what info tells */
    struct span running;     /* points into the running request's frame */
    unsigned long long running_since;
    unsigned long long requests;
    atomic_ullong finished; /* requests that ran to their end */
};

static void report_line(const char *line)
{
    fprintf(stderr, "pythonx_port: %s\n", line);
}

/* -- what is answered at once ------------------------------------------------------------------------------------ */

static void send_and_free(struct input *input, struct message *message)
{
    if (message_finish(message) == MESSAGE_OK)
        writer_send(input->writer, message);
    message_free(message);
}

static void answer_error(struct input *input, struct span id, const char *kind, const char *text)
{
    struct message message = {0};
    message_begin(&message);
    request_put_error(&message, id, kind, text);
    send_and_free(input, &message);
}

static void answer_info(struct input *input, struct span id)
{
    struct message message = {0};
    struct info info = {.queued = queue_length(input->queue),
                        .max_frame = input->options.max_frame,
                        .bytes_in = atomic_load(&input->bytes_in),
                        .bytes_out = writer_bytes(input->writer)};
    message_begin(&message);
    message_put_tuple(&message, 3);
    message_put_atom_text(&message, PROTOCOL_OK);
    request_put_id(&message, id);
    pthread_mutex_lock(&input->telling);
    info.running = input->running;
    info.requests = input->requests;
    if (info.running.length > 0)
        info.running_us = info_clock_us() - input->running_since;
    info_put(&message, &info);
    pthread_mutex_unlock(&input->telling);
    send_and_free(input, &message);
}

static void answer_segment(struct input *input, const struct request *request)
{
    struct message message = {0};
    message_begin(&message);
    segment_request_lend(&message, request);
    send_and_free(input, &message);
}

void input_running(struct input *input, const struct request *request)
{
    pthread_mutex_lock(&input->telling);
    input->running = request->id;
    input->running_since = info_clock_us();
    input->requests++;
    pthread_mutex_unlock(&input->telling);
}

void input_done(struct input *input)
{
    pthread_mutex_lock(&input->telling);
    input->running = (struct span){0};
    pthread_mutex_unlock(&input->telling);
    atomic_fetch_add(&input->finished, 1);
}

/* -- frames to requests ------------------------------------------------------------------------------------------ */

/* True where the frame holds a request for the main thread: *request then owns it. Everything else is answered
 * here, and the frame freed. */
static bool accept_frame(struct input *input, struct frame *frame, struct request *request)
{
    struct request_refusal refusal;
    atomic_fetch_add(&input->bytes_in, FRAME_HEADER + frame->length);
    if (!request_read(frame, request, &refusal)) {
        answer_error(input, refusal.id, refusal.kind, refusal.message);
        frame_free(frame);
        return false;
    }
    bool waits = false;
    switch (request->operation) {
    case OPERATION_info:
        answer_info(input, request->id);
        break;
    case OPERATION_segment:
        answer_segment(input, request);
        break;
    case OPERATION_give_back:
        if (!segment_request_give_back(request))
            answer_error(input, request->id, "bad_request", "give_back takes a list of segment numbers");
        break;
    case OPERATION_eval:
    case OPERATION_exec:
    case OPERATION_call:
    case OPERATION_release:
    case OPERATION_stop:
        waits = true;
    }
    if (!waits)
        request_free(request);
    return waits;
}

/* Of a refused frame the first bytes are there: enough to answer under its own id where that came early. */
static void refuse_frame(struct input *input, struct frame *frame)
{
    struct request request;
    struct request_refusal refusal;
    struct span id = {0};
    char text[160];
    size_t announced = frame_reader_announced(input->frames);
    if (announced > input->options.max_frame)
        snprintf(text, sizeof text, "a frame of %zu bytes is over the limit of %zu (--max-frame)", announced,
                 input->options.max_frame);
    else
        snprintf(text, sizeof text, "there is no memory for a frame of %zu bytes", announced);
    if (request_read(frame, &request, &refusal)) {
        answer_error(input, request.id, "bad_request", text);
        request_free(&request);
        return;
    }
    id = refusal.id;
    answer_error(input, id, "bad_request", text);
    frame_free(frame);
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
        atomic_store(&input->exit_status, ENGINE_EXIT_CUT_INPUT);
}

/* Reads at most once. True where *request is for the main thread. */
static bool read_request(struct input *input, struct request *request)
{
    struct frame frame = {0};
    enum frame_status status = frame_reader_next(input->frames, &frame);
    switch (status) {
    case FRAME_READY:
        return accept_frame(input, &frame, request);
    case FRAME_REFUSED:
        refuse_frame(input, &frame);
        return false;
    case FRAME_WAIT:
        return false;
    case FRAME_END:
    case FRAME_CUT:
    case FRAME_FAILED:
        note_end(input, status);
        return false;
    }
    return false;
}

static void refuse_request(struct input *input, struct request *request, const char *kind, const char *text)
{
    if (request->id.length > 0)
        answer_error(input, request->id, kind, text);
    request_free(request);
}

static void put_in_queue(struct input *input, struct request *request)
{
    if (atomic_load(&input->closed))
        refuse_request(input, request, "shutdown", "the session was stopped before this request was run");
    else if (!queue_put(input->queue, request))
        refuse_request(input, request, "exception", "there is no memory to queue the request");
}

/* Frames that an earlier read brought along wake no watch: they are dealt with before anyone sleeps. */
static void queue_read_ahead(struct input *input)
{
    struct request request;
    while (frame_reader_has_frame(input->frames))
        if (read_request(input, &request))
            put_in_queue(input, &request);
}

/* -- the main thread --------------------------------------------------------------------------------------------- */

/* Polls for a while before the read that sleeps: waking a sleeping thread is most of a round trip. */
static void spin(const struct input *input)
{
    unsigned long long until = info_clock_us() + input->options.spin_us;
    while (!watch_is_readable(&input->watch) && info_clock_us() < until)
        ;
}

/* The first reason for a status other than 0 is the one that counts. */
static void give_up(struct input *input)
{
    int ok = ENGINE_EXIT_OK;
    atomic_compare_exchange_strong(&input->exit_status, &ok, ENGINE_EXIT_ABANDONED);
}

/* Then the session is over, whatever may still be asked. */
static bool nobody_reads(struct input *input)
{
    bool broken = writer_is_broken(input->writer);
    if (broken)
        give_up(input);
    return broken;
}

static bool read_while_idle(struct input *input, struct request *request)
{
    if (input->options.spin_us > 0)
        spin(input);
    while (!atomic_load(&input->ended) && !nobody_reads(input))
        if (read_request(input, request))
            return true;
    return false;
}

/* Requests that will not be run any more get their one reply all the same. True where there were any. */
static bool refuse_queued(struct input *input, const char *text)
{
    struct request request;
    bool any = false;
    for (; queue_take(input->queue, &request); any = true)
        refuse_request(input, &request, "shutdown", text);
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

bool input_next(struct input *input, struct request *request)
{
    if (atomic_load(&input->stopping)) {
        if (refuse_queued(input, "the input ended before this request was run"))
            give_up(input);
        return false;
    }
    if (nobody_reads(input))
        return false;
    if (queue_take(input->queue, request))
        return true;
    watch_idle(&input->watch);
    pthread_mutex_lock(&input->reading);
    /* The reader thread may have queued something between the two lines above. */
    bool found = queue_take(input->queue, request) || read_while_idle(input, request);
    if (found)
        queue_read_ahead(input);
    pthread_mutex_unlock(&input->reading);
    watch_busy(&input->watch);
    return found;
}

int input_exit_status(const struct input *input)
{
    return atomic_load(&input->exit_status);
}

/* -- the reader thread ------------------------------------------------------------------------------------------- */

static bool is_running(struct input *input)
{
    pthread_mutex_lock(&input->telling);
    bool running = input->requests != atomic_load(&input->finished);
    pthread_mutex_unlock(&input->telling);
    return running;
}

/* The other end has gone, or will ask nothing more: what runs is interrupted, then the process ends. Runs even while
 * some C call holds the GIL for ever. Where somebody still reads, requests may go on as long as each of them ends
 * within the time to linger. */
__attribute__((noreturn)) static void end_process(struct input *input)
{
    bool gone;
    unsigned long long finished;
    do {
        finished = atomic_load(&input->finished);
        gone = watch_peer_gone(input->options.output_fd, (int)input->options.linger_ms);
    } while (!gone && atomic_load(&input->finished) != finished);
    atomic_store(&input->stopping, true);
    /* Not while Python is being shut down already: that is on its way out by itself. */
    if (is_running(input)) {
        give_up(input);
        input->interrupt();
    }
    if (gone)
        usleep(GRACE_MS * 1000);
    else
        watch_peer_gone(input->options.output_fd, GRACE_MS);
    give_up(input);
    _exit(atomic_load(&input->exit_status));
}

static void wait_for_room(struct input *input)
{
    while (!queue_has_room(input->queue)) {
        queue_wait_room(input->queue, FULL_QUEUE_LOOK_MS);
        if (watch_peer_gone(input->options.output_fd, 0))
            atomic_store(&input->ended, true);
        if (atomic_load(&input->ended))
            return;
    }
}

static void read_while_busy(struct input *input)
{
    struct request request;
    pthread_mutex_lock(&input->reading);
    /* The main thread may have become idle and read what woke us. */
    if (!atomic_load(&input->ended) && watch_is_readable(&input->watch)) {
        if (read_request(input, &request))
            put_in_queue(input, &request);
        queue_read_ahead(input);
    }
    pthread_mutex_unlock(&input->reading);
}

/* Python's start may take for ever, too: a module that is imported at each start may hang. */
static void wait_until_ready(struct input *input)
{
    while (!atomic_load(&input->ready)) {
        /* It may have become ready meanwhile. */
        if (watch_peer_gone(input->options.output_fd, START_LOOK_MS) && !atomic_load(&input->ready)) {
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
    while (watch_wait(&input->watch)) {
        wait_for_room(input);
        read_while_busy(input);
        if (atomic_load(&input->ended))
            end_process(input);
    }
    return NULL;
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
    input->watch.poll_fd = -1;
    pthread_mutex_init(&input->reading, NULL);
    pthread_mutex_init(&input->telling, NULL);
    input->frames = frame_reader_new(options->input_fd, options->max_frame, find_bulk);
    input->queue = queue_new();
    if (input->frames == NULL || input->queue == NULL) {
        errno = ENOMEM;
        goto failed;
    }
    if (!watch_open(&input->watch, options->input_fd))
        goto failed;
    errno = start_reader_thread(input);
    if (errno == 0)
        return input;

failed:
    watch_close(&input->watch);
    queue_free(input->queue);
    frame_reader_free(input->frames);
    free(input);
    return NULL;
}
