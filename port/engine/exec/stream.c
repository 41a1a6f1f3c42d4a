/* Steps streams and sends their items in batches. The session's lock guards the list and the batches; `sending` keeps
 * them in order while they are sent. It is taken first, and never with the GIL held, because its holder may wait for
 * the client. */
#include "exec/stream.h"

#include <stdlib.h>
#include <unistd.h>

#include "exec/reply.h"
#include "os/clock.h"
#include "os/schedule.h"
#include "python/emit.h"
#include "python/errors.h"
#include "python/forked_child.h"
#include "python/interrupt.h"
#include "queue/session.h"
#include "queue/timer.h"
#include "shm/large_binary.h"
#include "wire/protocol.h"

/* How long an item may be held back for others. */
#define HOLD_US 1000
/* A batch of this many bytes is full. */
#define BATCH_BYTES ((size_t)64 * 1024)
/* How long one stream is stepped before others have their turn. */
#define SLICE_US 2000
/* How long a stop waits for another thread to leave a stream, and how often it checks. */
#define OTHERS_MAX_US 1000000
#define OTHERS_LOOK_US 2000

struct stream {
    struct context *context; /* owned */
    PyObject *iterator;      /* owned; NULL: a task iterates */
    bool stepping;           /* a thread is inside its iterator */
    unsigned long long put;
    struct message item;     /* the item that is being encoded */
    struct message batch;    /* with `count` items, the first of which came at first_us */
    struct message outgoing; /* the batch that is being sent; guarded by `sending` */
    size_t count, count_at;
    unsigned long long first_us;
    struct stream *next;
};

static struct ranked_lock sending = RANKED_LOCK_INITIALIZER(LOCK_SENDING, "sending");

/* -- items out ---------------------------------------------------------------------------------------------------- */

/* Sends the batch. With both locks; the session's is released meanwhile, so that another batch can be begun. */
static void send_batch(struct stream *stream)
{
    if (stream->count == 0)
        return;
    struct message full = stream->batch;
    stream->batch = stream->outgoing;
    stream->outgoing = full;
    message_put_nil_list(&stream->outgoing);
    message_patch_length(&stream->outgoing, stream->count_at, (uint32_t)stream->count);
    stream->count = 0;
    session_unlock();
    if (message_finish(&stream->outgoing) == MESSAGE_OK)
        writer_send(session.writer, &stream->outgoing);
    session_lock();
}

static void flush(struct stream *stream)
{
    PyThreadState *thread = PyEval_SaveThread();
    ranked_lock_acquire(&sending);
    session_lock();
    send_batch(stream);
    session_unlock();
    ranked_lock_release(&sending);
    PyEval_RestoreThread(thread);
}

/* {yield, Id, or {yields, Id, [ */
static void put_head(struct stream *stream, struct message *message)
{
    bool batches = stream->context->options.batch > 0;
    message_begin(message);
    message_put_tuple(message, 3);
    message_put_atom_text(message, batches ? PROTOCOL_YIELDS : PROTOCOL_YIELD);
    request_put_id(message, stream->context->job->request.id);
    if (batches)
        message_put_list(message, 1);
}

/* An item with pinned bytes is sent alone, after those before it. */
static bool send_item(struct stream *stream)
{
    struct message *item = &stream->item;
    if (stream->context->options.batch > 0)
        message_put_nil_list(item);
    if (item->lease_count > 0)
        large_binary_put_leases(item);
    bool whole = message_finish(item) == MESSAGE_OK;
    if (whole) {
        flush(stream);
        emit_message(item);
    } else {
        large_binary_abandon(item);
    }
    item->lease_count = 0;
    message_release_pins(item);
    return whole;
}

/* Returns true if the batch is full. */
static bool add_to_batch(struct stream *stream, size_t head)
{
    session_lock();
    if (stream->count == 0) {
        put_head(stream, &stream->batch);
        stream->count_at = stream->batch.length - sizeof(uint32_t);
        stream->first_us = clock_us();
        timer_at(stream->first_us + HOLD_US);
    }
    message_put_raw(&stream->batch, stream->item.bytes + head, stream->item.length - head);
    stream->count++;
    bool full = stream->count >= stream->context->options.batch || stream->batch.length >= BATCH_BYTES;
    session_unlock();
    return full;
}

/* Sends one item, and takes the reference over. Returns 0, or -1 with an error set. */
static int put_item(struct stream *stream, PyObject *object)
{
    struct message *item = &stream->item;
    put_head(stream, item);
    size_t head = item->length;
    stream->context->stage = STAGE_ENCODE;
    int failed = reply_put_item(stream->context, object, item);
    stream->context->stage = failed ? STAGE_ENCODE : STAGE_CODE;
    Py_DECREF(object);
    large_binary_detach(item);
    if (failed || item->failed) {
        large_binary_abandon(item);
        message_release_pins(item);
        return failed ? -1 : (PyErr_NoMemory(), -1);
    }
    stream->put++;
    if (stream->context->options.batch > 0 && item->pin_count == 0 && item->lease_count == 0) {
        if (add_to_batch(stream, head))
            flush(stream);
        return 0;
    }
    if (send_item(stream))
        return 0;
    PyErr_NoMemory();
    return -1;
}

/* -- their lives -------------------------------------------------------------------------------------------------- */

/* Takes the stream over. With the lock. */
static void link_stream(struct stream *stream)
{
    stream->next = session.streams.first;
    session.streams.first = stream;
    session.streams.count++;
}

static struct stream *new_stream(struct context *context, PyObject *iterator)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    stream->context = context;
    stream->iterator = iterator;
    return stream;
}

/* With the lock. */
static void unlink_stream(struct stream *stream)
{
    struct stream **at = &session.streams.first;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
}

/* Sends the items that are left, and frees all but the context and the iterator. */
static void take_out(struct stream *stream)
{
    flush(stream);
    PyThreadState *thread = PyEval_SaveThread();
    ranked_lock_acquire(&sending);
    session_lock();
    unlink_stream(stream);
    session.streams.count--;
    session_unlock();
    ranked_lock_release(&sending);
    PyEval_RestoreThread(thread);
    message_free(&stream->batch);
    message_free(&stream->outgoing);
    message_free(&stream->item);
    free(stream);
}

bool stream_begin(struct context *context, PyObject *value)
{
    struct job *job = context->job;
    PyObject *iterator = PyObject_GetIter(value);
    if (iterator == NULL)
        return false;
    forked_child_leave();
    struct stream *stream = new_stream(context, iterator);
    if (stream == NULL) {
        Py_DECREF(iterator);
        return false;
    }
    Py_DECREF(value);
    interrupt_leave_thread(job);
    SCHEDULE_POINT(stream_begins);
    /* Must follow at once, for from here on the main thread may step the stream. */
    session_lock();
    job_pop(job);
    if (job->thread != 0 && job->abort != JOB_ABORT_NONE)
        job_rearm_abort(job);
    job->thread = 0;
    job_move(job, JOB_STREAM);
    link_stream(stream);
    handoff_wake_main();
    session_unlock();
    return true;
}

/* Has a generator's finally clauses run now, not at the next garbage collection. */
static void close_iterator(PyObject *iterator)
{
    PyObject *current = errors_take();
    if (PyObject_HasAttrString(iterator, "close")) {
        PyObject *done = PyObject_CallMethod(iterator, "close", NULL);
        if (done == NULL)
            PyErr_WriteUnraisable(iterator);
        Py_XDECREF(done);
    }
    Py_DECREF(iterator);
    if (current != NULL)
        errors_set(current);
}

/* Ends the stream, with an error set, or without one if there are no more items. The job stays on the stack until its
 * reply is built: closing the iterator runs code. */
static void end_stream(struct stream *stream)
{
    SCHEDULE_POINT(stream_ends);
    struct context *context = stream->context;
    close_iterator(stream->iterator);
    PyObject *exception = errors_take();
    forked_child_leave();
    take_out(stream);
    if (exception != NULL)
        errors_set(exception);
    reply_end(context, exception != NULL ? NULL : Py_NewRef(Py_None));
}

int stream_attach(struct context *context)
{
    struct stream *stream = new_stream(context, NULL);
    if (stream == NULL)
        return -1;
    session_lock();
    link_stream(stream);
    session_unlock();
    return 0;
}

static struct stream *find_stream(const struct context *context)
{
    session_lock();
    struct stream *stream = session.streams.first;
    while (stream != NULL && stream->context != context)
        stream = stream->next;
    session_unlock();
    return stream;
}

void stream_detach(struct context *context)
{
    struct stream *stream = find_stream(context);
    if (stream != NULL)
        take_out(stream);
}

/* -- going on ----------------------------------------------------------------------------------------------------- */

/* With the lock. */
static bool may_go_on(const struct stream *stream)
{
    const struct job *job = stream->context->job;
    return stream->iterator != NULL && !stream->stepping && (job->granted > stream->put || job_abort_is_due(job));
}

static bool matches(const struct stream *stream, unsigned long long within)
{
    const struct job *job = stream->context->job;
    if (within == STREAM_WITHIN_ANY)
        return job->within != 0 || job_abort_is_due(job);
    return within == 0 || job->within == within;
}

struct stream *stream_next_ready(unsigned long long within)
{
    struct stream *found = session.streams.first;
    while (found != NULL && !(may_go_on(found) && matches(found, within)))
        found = found->next;
    if (found != NULL && found->next != NULL) {
        unlink_stream(found);
        struct stream **end = &session.streams.first;
        while (*end != NULL)
            end = &(*end)->next;
        *end = found;
        found->next = NULL;
    }
    return found;
}

void stream_enter(struct stream *stream, unsigned long thread)
{
    struct job *job = stream->context->job;
    stream->stepping = true;
    job->thread = thread;
    job_push(job);
}

/* On another thread than the main one an exception may still be on its way: it must not hit what the thread does next,
 * so it is raised at the stream's next step. */
static void leave_stream(struct stream *stream)
{
    struct job *job = stream->context->job;
    interrupt_leave_thread(job);
    session_lock();
    job_pop(job);
    if (job->thread != 0 && job->abort != JOB_ABORT_NONE)
        job_rearm_abort(job);
    job->thread = 0;
    stream->stepping = false;
    handoff_wake_main();
    session_unlock();
}

/* Returns whether the client has asked for more items than it got. *queued: whether other jobs wait. */
static bool is_granted(const struct stream *stream, bool *queued)
{
    session_lock();
    bool granted = stream->context->job->granted > stream->put;
    *queued = job_first() != NULL;
    session_unlock();
    return granted;
}

/* Puts items until the thread has other work. Returns false if the stream has ended, with or without an error set. */
static bool go_on(struct stream *stream)
{
    struct job *job = stream->context->job;
    unsigned long long until = clock_us() + SLICE_US;
    bool queued;
    if (interrupt_raise(job) < 0)
        return false;
    for (size_t items = 0; is_granted(stream, &queued); items++) {
        if (items > 0 && (queued || ((items & 31) == 0 && clock_us() > until)))
            break;
        PyObject *item = PyIter_Next(stream->iterator);
        forked_child_leave();
        if (item == NULL)
            return false;
        SCHEDULE_POINT(stream_has_item);
        if (put_item(stream, item) < 0 || interrupt_raise(job) < 0)
            return false;
    }
    flush(stream);
    return true;
}

void stream_step(struct stream *stream)
{
    SCHEDULE_POINT(stream_steps);
    struct context *before = context_switch(stream->context);
    bool goes_on = go_on(stream);
    SCHEDULE_POINT(stream_leaves);
    if (goes_on)
        leave_stream(stream);
    else
        end_stream(stream);
    context_restore(before);
}

/* Enters a stream that no other thread steps, and returns it; NULL if there is none. Tasks have ended before. */
static struct stream *enter_any(bool *others)
{
    *others = false;
    session_lock();
    struct stream *stream = session.streams.first;
    for (; stream != NULL && (stream->iterator == NULL || stream->stepping); stream = stream->next) {
        *others = *others || stream->stepping;
        if (stream->stepping && stream->context->job->abort != JOB_ABORT_STOPPED)
            job_stop(stream->context->job);
    }
    if (stream != NULL)
        stream_enter(stream, 0);
    session_unlock();
    return stream;
}

/* Gives the threads that step streams, and must end them, time to do so. */
static void let_others_end(void)
{
    interrupt_run_handlers();
    PyThreadState *thread = PyEval_SaveThread();
    usleep(OTHERS_LOOK_US);
    PyEval_RestoreThread(thread);
}

void stream_end_all(void)
{
    unsigned long long until = clock_us() + OTHERS_MAX_US;
    bool others;
    do {
        struct stream *stream = enter_any(&others);
        if (stream != NULL) {
            struct context *before = context_switch(stream->context);
            interrupt_set_shutdown(INTERRUPT_STOPPED);
            end_stream(stream);
            context_restore(before);
        } else if (others) {
            let_others_end();
        } else {
            return;
        }
    } while (!others || clock_us() < until);
}

/* -- for event_loop.py -------------------------------------------------------------------------------------------- */

PyObject *stream_demand_function(PyObject *self, PyObject *context)
{
    (void)self;
    bool queued;
    struct stream *stream = find_stream((struct context *)context);
    return PyBool_FromLong(stream != NULL && is_granted(stream, &queued));
}

PyObject *stream_put_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *context, *item;
    bool queued;
    if (!PyArg_ParseTuple(arguments, "OO", &context, &item))
        return NULL;
    forked_child_leave();
    struct stream *stream = find_stream((struct context *)context);
    if (stream == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the stream has ended");
        return NULL;
    }
    if (put_item(stream, Py_NewRef(item)) < 0)
        return NULL;
    if (!is_granted(stream, &queued))
        flush(stream);
    Py_RETURN_NONE;
}

/* -- from any thread ---------------------------------------------------------------------------------------------- */

unsigned long long stream_next_due(void)
{
    unsigned long long next = 0;
    for (const struct stream *stream = session.streams.first; stream != NULL; stream = stream->next)
        if (stream->count > 0 && (next == 0 || stream->first_us + HOLD_US < next))
            next = stream->first_us + HOLD_US;
    return next;
}

void stream_send_due(unsigned long long now_us)
{
    ranked_lock_acquire(&sending);
    session_lock();
    /* Other batches may begin while one is sent, but `sending` keeps all streams in the list. */
    for (struct stream *stream = session.streams.first; stream != NULL; stream = stream->next)
        if (stream->count > 0 && stream->first_us + HOLD_US <= now_us)
            send_batch(stream);
    timer_at(stream_next_due());
    session_unlock();
    ranked_lock_release(&sending);
}
