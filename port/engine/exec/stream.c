/* Two locks: one guards the list and the batches, the other keeps them in order on their way out. The second is taken
 * first, and never with the GIL held, for whoever has it may wait for the client. */
#include "exec/stream.h"

#include <pthread.h>
#include <stdlib.h>

#include "exec/reply.h"
#include "os/clock.h"
#include "python/errors.h"
#include "python/interrupt.h"
#include "queue/timer.h"
#include "shm/large_binary.h"
#include "wire/protocol.h"

/* How long an item may wait for others. */
#define HOLD_US 1000
/* A batch of so many bytes is full. */
#define BATCH_BYTES ((size_t)64 * 1024)
/* How long one stream goes on before another has its turn. */
#define SLICE_US 2000

struct stream {
    struct run run;     /* holds the owner */
    PyObject *iterator; /* owned; NULL: a task iterates */
    bool busy;          /* some thread goes on with it */
    unsigned long long put;
    struct message item;     /* the one that is being encoded */
    struct message batch;    /* with `count` items, the first of which came at first_us */
    struct message outgoing; /* the batch that is being sent; guarded by `sending` */
    size_t count, count_at;
    unsigned long long first_us;
    struct stream *next;
};

static pthread_mutex_t sending = PTHREAD_MUTEX_INITIALIZER, lock = PTHREAD_MUTEX_INITIALIZER;
static struct stream *streams;
static size_t count;
static struct writer *stream_writer;

void stream_start(struct writer *writer)
{
    stream_writer = writer;
}

/* -- items out ----------------------------------------------------------------------------------------------------- */

/* With both locks; the second is given up meanwhile, so that a next batch can be begun. */
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
    pthread_mutex_unlock(&lock);
    if (message_finish(&stream->outgoing) == MESSAGE_OK)
        writer_send(stream_writer, &stream->outgoing);
    pthread_mutex_lock(&lock);
}

static void flush(struct stream *stream)
{
    PyThreadState *thread = PyEval_SaveThread();
    pthread_mutex_lock(&sending);
    pthread_mutex_lock(&lock);
    send_batch(stream);
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&sending);
    PyEval_RestoreThread(thread);
}

/* {yield, Id, or {yields, Id, [ */
static void put_head(struct stream *stream, struct message *message)
{
    bool batches = stream->run.options.batch > 0;
    message_begin(message);
    message_put_tuple(message, 3);
    message_put_atom_text(message, batches ? PROTOCOL_YIELDS : PROTOCOL_YIELD);
    request_put_id(message, stream->run.request->id);
    if (batches)
        message_put_list(message, 1);
}

/* An item with bytes that lie elsewhere goes by itself, behind those before it. */
static bool send_item(struct stream *stream)
{
    struct message *item = &stream->item;
    if (stream->run.options.batch > 0)
        message_put_nil_list(item);
    if (item->lease_count > 0)
        large_binary_put_leases(item);
    bool whole = message_finish(item) == MESSAGE_OK;
    if (whole) {
        flush(stream);
        PyThreadState *thread = PyEval_SaveThread();
        writer_send(stream_writer, item);
        PyEval_RestoreThread(thread);
    } else {
        large_binary_abandon(item);
    }
    item->lease_count = 0;
    message_release_pins(item);
    return whole;
}

/* True where the batch is full. */
static bool add_to_batch(struct stream *stream, size_t head)
{
    pthread_mutex_lock(&lock);
    if (stream->count == 0) {
        put_head(stream, &stream->batch);
        stream->count_at = stream->batch.length - sizeof(uint32_t);
        stream->first_us = clock_us();
        timer_at(stream->first_us + HOLD_US);
    }
    message_put_raw(&stream->batch, stream->item.bytes + head, stream->item.length - head);
    stream->count++;
    bool full = stream->count >= stream->run.options.batch || stream->batch.length >= BATCH_BYTES;
    pthread_mutex_unlock(&lock);
    return full;
}

/* Takes the reference over. -1 with an error set. */
static int put_item(struct stream *stream, PyObject *object)
{
    struct message *item = &stream->item;
    put_head(stream, item);
    size_t head = item->length;
    stream->run.stage = RUN_ENCODE;
    int failed = run_put_item(&stream->run, object, item);
    stream->run.stage = failed ? RUN_ENCODE : RUN_CODE;
    Py_DECREF(object);
    large_binary_detach(item);
    if (failed || item->failed) {
        large_binary_abandon(item);
        message_release_pins(item);
        return failed ? -1 : (PyErr_NoMemory(), -1);
    }
    stream->put++;
    if (stream->run.options.batch > 0 && item->pin_count == 0 && item->lease_count == 0) {
        if (add_to_batch(stream, head))
            flush(stream);
        return 0;
    }
    if (send_item(stream))
        return 0;
    PyErr_NoMemory();
    return -1;
}

/* -- their lives --------------------------------------------------------------------------------------------------- */

static struct stream *add(struct run *run, PyObject *iterator)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    stream->run = *run;
    stream->iterator = iterator;
    pthread_mutex_lock(&lock);
    stream->next = streams;
    streams = stream;
    count++;
    pthread_mutex_unlock(&lock);
    return stream;
}

static void unlink_stream(struct stream *stream)
{
    struct stream **at = &streams;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
}

/* Sends what is left, and frees all but the run and the iterator. */
static void take_out(struct stream *stream)
{
    flush(stream);
    PyThreadState *thread = PyEval_SaveThread();
    pthread_mutex_lock(&sending);
    pthread_mutex_lock(&lock);
    unlink_stream(stream);
    count--;
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&sending);
    PyEval_RestoreThread(thread);
    message_free(&stream->batch);
    message_free(&stream->outgoing);
    message_free(&stream->item);
    free(stream);
}

bool stream_begin(struct run *run, PyObject *value)
{
    PyObject *iterator = PyObject_GetIter(value);
    if (iterator == NULL)
        return false;
    if (add(run, iterator) == NULL) {
        Py_DECREF(iterator);
        return false;
    }
    Py_DECREF(value);
    return true;
}

/* A generator's finally clauses run now, not when somebody collects it. */
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

/* With an error set, or without one where the items have come to their end. */
static void end(struct stream *stream)
{
    struct run run = stream->run;
    close_iterator(stream->iterator);
    PyObject *exception = errors_take();
    bool failed = exception != NULL;
    take_out(stream);
    if (failed)
        errors_set(exception);
    reply_end(&run, failed ? NULL : Py_NewRef(Py_None));
}

int stream_attach(struct run *run)
{
    return add(run, NULL) == NULL ? -1 : 0;
}

static struct stream *find(const struct context *owner)
{
    pthread_mutex_lock(&lock);
    struct stream *stream = streams;
    while (stream != NULL && stream->run.owner != owner)
        stream = stream->next;
    pthread_mutex_unlock(&lock);
    return stream;
}

void stream_detach(struct context *owner)
{
    struct stream *stream = find(owner);
    if (stream == NULL)
        return;
    take_out(stream);
}

/* -- going on ------------------------------------------------------------------------------------------------------ */

static bool may_go_on(const struct stream *stream)
{
    struct job *job = stream->run.owner->job;
    return stream->iterator != NULL && !stream->busy && (job_granted(job) > stream->put || job_has_verdict(job));
}

/* The next one in turn: it goes to the list's end. */
static struct stream *next_ready(void)
{
    pthread_mutex_lock(&lock);
    struct stream *found = streams;
    while (found != NULL && !may_go_on(found))
        found = found->next;
    if (found != NULL && found->next != NULL) {
        unlink_stream(found);
        struct stream **end = &streams;
        while (*end != NULL)
            end = &(*end)->next;
        *end = found;
        found->next = NULL;
    }
    if (found != NULL)
        found->busy = true;
    pthread_mutex_unlock(&lock);
    return found;
}

static void set_idle(struct stream *stream)
{
    pthread_mutex_lock(&lock);
    stream->busy = false;
    pthread_mutex_unlock(&lock);
}

/* Puts items until something else is to be done. False where the stream has come to its end, with or without an error
 * set. */
static bool go_on(struct stream *stream)
{
    struct job *job = stream->run.owner->job;
    unsigned long long until = clock_us() + SLICE_US;
    if (interrupt_raise(job) < 0)
        return false;
    while (job_granted(job) > stream->put) {
        PyObject *item = PyIter_Next(stream->iterator);
        if (item == NULL)
            return false;
        if (put_item(stream, item) < 0 || interrupt_raise(job) < 0)
            return false;
        if (job_any_waits() || ((stream->put & 31) == 0 && clock_us() > until))
            break;
    }
    flush(stream);
    return true;
}

bool stream_step(void)
{
    struct stream *stream = next_ready();
    if (stream == NULL)
        return false;
    struct job *shown = job_show(stream->run.owner->job);
    struct context *before = context_switch(stream->run.owner);
    interrupt_enter_thread(stream->run.owner->job);
    bool goes_on = go_on(stream);
    interrupt_leave_thread(stream->run.owner->job);
    if (goes_on)
        set_idle(stream);
    else
        end(stream);
    job_show(shown);
    context_restore(before);
    return true;
}

void stream_end_all(void)
{
    while (streams != NULL) {
        struct stream *stream = streams;
        if (stream->iterator == NULL)
            break; /* tasks have ended before */
        struct context *before = context_switch(stream->run.owner);
        interrupt_set_shutdown("the session was stopped before the stream had come to its end");
        end(stream);
        context_restore(before);
    }
}

/* -- for loop.py --------------------------------------------------------------------------------------------------- */

PyObject *stream_demand_function(PyObject *self, PyObject *owner)
{
    (void)self;
    struct stream *stream = find((struct context *)owner);
    return PyBool_FromLong(stream != NULL && job_granted(stream->run.owner->job) > stream->put);
}

PyObject *stream_put_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *owner, *item;
    if (!PyArg_ParseTuple(arguments, "OO", &owner, &item))
        return NULL;
    struct stream *stream = find((struct context *)owner);
    if (stream == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the stream has ended");
        return NULL;
    }
    if (put_item(stream, Py_NewRef(item)) < 0)
        return NULL;
    if (job_granted(stream->run.owner->job) <= stream->put)
        flush(stream);
    Py_RETURN_NONE;
}

/* -- from any thread ----------------------------------------------------------------------------------------------- */

bool stream_is_ready(void)
{
    bool ready = false;
    pthread_mutex_lock(&lock);
    for (struct stream *stream = streams; stream != NULL && !ready; stream = stream->next)
        ready = may_go_on(stream);
    pthread_mutex_unlock(&lock);
    return ready;
}

unsigned long long stream_send_due(unsigned long long now_us)
{
    unsigned long long next = 0;
    pthread_mutex_lock(&sending);
    pthread_mutex_lock(&lock);
    for (struct stream *stream = streams; stream != NULL; stream = stream->next) {
        if (stream->count > 0 && stream->first_us + HOLD_US <= now_us)
            send_batch(stream);
        if (stream->count > 0 && (next == 0 || stream->first_us + HOLD_US < next))
            next = stream->first_us + HOLD_US;
    }
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&sending);
    return next;
}

size_t stream_count(void)
{
    pthread_mutex_lock(&lock);
    size_t now = count;
    pthread_mutex_unlock(&lock);
    return now;
}
