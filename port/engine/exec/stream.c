/* Begins, steps and ends streams. */
#include "exec/stream.h"

#include <stdlib.h>

#include "exec/reply.h"
#include "exec/stream_items.h"
#include "os/clock.h"
#include "os/schedule.h"
#include "python/errors.h"
#include "python/forked_child.h"
#include "python/interrupt.h"
#include "queue/session.h"

/* How long one stream is stepped before others have their turn. */
#define SLICE_US 2000

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
    stream_items_free(stream);
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
        stream_items_free(stream);
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
        stream_items_unlink(found);
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
        if (stream_items_put(stream, item) < 0 || interrupt_raise(job) < 0)
            return false;
    }
    stream_items_flush(stream);
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
static struct stream *enter_any(void)
{
    session_lock();
    struct stream *stream = session.streams.first;
    while (stream != NULL && (stream->iterator == NULL || stream->stepping))
        stream = stream->next;
    if (stream != NULL)
        stream_enter(stream, 0);
    session_unlock();
    return stream;
}

void stream_end_all(void)
{
    struct stream *stream;
    while ((stream = enter_any()) != NULL) {
        struct context *before = context_switch(stream->context);
        interrupt_set_shutdown(INTERRUPT_STOPPED);
        end_stream(stream);
        context_restore(before);
    }
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
    if (stream_items_put(stream, Py_NewRef(item)) < 0)
        return NULL;
    if (!is_granted(stream, &queued))
        stream_items_flush(stream);
    Py_RETURN_NONE;
}
