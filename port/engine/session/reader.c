/* Reads frames on the thread that has the input, and runs the reader thread. */
#include "session/reader.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "exec/stream_items.h"
#include "os/clock.h"
#include "os/exit_status.h"
#include "os/fd_state.h"
#include "os/poller.h"
#include "os/schedule.h"
#include "os/thread.h"
#include "python/signals.h"
#include "queue/session.h"
#include "queue/timer.h"
#include "session/abort.h"
#include "session/intake.h"
#include "session/refuse.h"
#include "session/shutdown.h"
#include "wire/frame.h"
#include "wire/term.h"

/* How often a reader that is stopped by a full queue checks whether the client still reads. */
#define FULL_QUEUE_US 50000
/* How often one that waits for Python to start does, in milliseconds. */
#define START_MS 50

/* -- reading, by the thread that has the input -------------------------------------------------------------------- */

static void note_end(enum frame_status status)
{
    if (atomic_exchange(&session.ended, true))
        return;
    if (status == FRAME_CUT)
        fprintf(stderr, "pythonx_port: the input ended in the middle of a frame\n");
    else if (status == FRAME_FAILED)
        fprintf(stderr, "pythonx_port: reading the input failed: %s\n", strerror(errno));
    if (status != FRAME_END)
        atomic_store(&session.exit_status, EXIT_STATUS_CUT_INPUT);
}

/* Reads at most once. Returns a job that must run, in no list yet, or NULL. */
static struct job *read_job(bool *interrupted)
{
    struct frame frame = {0};
    enum frame_status status = frame_reader_next(session.frames, &frame);
    switch (status) {
    case FRAME_READY:
        return intake_accept(&frame);
    case FRAME_REFUSED:
        refuse_frame(&frame, frame_reader_announced(session.frames));
        return NULL;
    case FRAME_WAIT:
        return NULL;
    case FRAME_INTERRUPTED:
        *interrupted = true;
        return NULL;
    case FRAME_END:
    case FRAME_CUT:
    case FRAME_FAILED:
        note_end(status);
        return NULL;
    }
    return NULL;
}

/* Handles frames that an earlier read brought along, before any thread waits: they make no descriptor readable. */
static void queue_read_ahead(void)
{
    bool interrupted;
    while (frame_reader_has_frame(session.frames)) {
        struct job *job = read_job(&interrupted);
        if (job != NULL)
            intake_enqueue(job);
    }
}

/* Polls for a while before the read that sleeps: waking a sleeping thread is most of the time of a round trip. */
static void spin(void)
{
    unsigned long long until = clock_us() + session.spin_us;
    while (!fd_is_readable(session.input_fd, 0) && clock_us() < until)
        ;
}

/* Waits until the input is readable. Returns false at `until_us`, or at a signal. */
static bool wait_readable(unsigned long long until_us, bool *interrupted)
{
    unsigned long long now = clock_us();
    unsigned long long left = until_us > now ? (until_us - now + 999) / 1000 : 0;
    struct pollfd input = {.fd = session.input_fd, .events = POLLIN};
    int count = poll(&input, 1, (int)left);
    *interrupted = count < 0;
    return count > 0;
}

struct job *reader_read(unsigned long long until_us, bool direct, bool *interrupted)
{
    *interrupted = false;
    if (session.spin_us > 0 && until_us == 0 && !frame_reader_has_frame(session.frames))
        spin();
    if (until_us != 0 && !frame_reader_has_frame(session.frames) && !wait_readable(until_us, interrupted))
        return NULL;
    struct job *job = read_job(interrupted);
    if (job != NULL && direct) {
        intake_start(job);
    } else if (job != NULL) {
        intake_enqueue(job);
        job = NULL;
    }
    /* They may be about the first: a cancel, or a request for more of its items. */
    queue_read_ahead();
    return job;
}

/* -- the reader thread -------------------------------------------------------------------------------------------- */

void reader_notify(void)
{
    poller_notify();
}

static void write_what_is_due(void)
{
    SCHEDULE_POINT(reader_writes);
    signals_take();
    (void)abort_reply_to_unbegun();
    stream_items_send_due(clock_us());
}

/* While Python waits for the BEAM the answer must be read, however much is queued. */
static bool has_room(void)
{
    session_lock();
    bool has = job_has_room() || session.invocations.count > 0;
    if (!has)
        ranked_lock_wait(&session.lock, &session.room, clock_us() + FULL_QUEUE_US);
    session_unlock();
    if (!has && fd_peer_gone(session.output_fd, 0))
        atomic_store(&session.ended, true);
    return has;
}

static void read_while_busy(void)
{
    SCHEDULE_POINT(reader_wakes);
    session_lock();
    bool taken = handoff_take_for_reader();
    session_unlock();
    if (!taken)
        return;
    SCHEDULE_POINT(reader_has_input);
    if (fd_is_readable(session.input_fd, 0)) {
        bool interrupted;
        struct job *job = read_job(&interrupted);
        if (job != NULL)
            intake_enqueue(job);
        queue_read_ahead();
    }
    session_lock();
    handoff_return_from_reader();
    if (atomic_load(&session.ended))
        handoff_wake_main();
    session_unlock();
}

/* Python's start may take forever: a module that is imported at each start may hang. */
static void wait_until_ready(void)
{
    while (!atomic_load(&session.ready)) {
        /* Python may have become ready meanwhile. */
        if (fd_peer_gone(session.output_fd, START_MS) && !atomic_load(&session.ready)) {
            shutdown_give_up();
            atomic_store(&session.ended, true);
            shutdown_run(write_what_is_due);
        }
    }
}

/* A debugger that wants to attach wakes no thread. */
static void look_for_debugger(void)
{
    SCHEDULE_POINT(reader_looks);
    session_lock();
    handoff_look();
    session_unlock();
}

void reader_ready(void)
{
    atomic_store(&session.ready, true);
}

static void *reader_thread(void *unused)
{
    wait_until_ready();
    for (;;) {
        switch (poller_wait(session.attach_look_ms)) {
        case POLLER_NOTIFIED:
            write_what_is_due();
            break;
        case POLLER_INPUT:
            if (!atomic_load(&session.ended) && has_room())
                read_while_busy();
            if (atomic_load(&session.ended))
                shutdown_run(write_what_is_due);
            break;
        case POLLER_TIMEOUT:
            look_for_debugger();
            break;
        case POLLER_FAILED:
            return unused;
        }
    }
}

/* Finds a large binary in a frame: it becomes an array where it lies. */
static size_t find_bulk(const unsigned char *start, size_t length)
{
    struct span span = span_of(start, length);
    return length > 0 && span_take(&span, 1) != NULL ? term_find_binary(span, FRAME_BULK) : 0;
}

bool reader_start(void)
{
    session.frames = frame_reader_new(session.input_fd, session.max_frame, find_bulk);
    if (session.frames == NULL) {
        errno = ENOMEM;
        return false;
    }
    session_lock();
    bool started = handoff_start(session.input_fd) && signals_open();
    session_unlock();
    return started && thread_start(reader_thread, NULL);
}
