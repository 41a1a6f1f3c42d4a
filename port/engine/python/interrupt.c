/* Interrupts by Python's own machinery: its C handler notes the signal, then the eval loop calls on_signal. */
#include "python/interrupt.h"
#include "os/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "os/std_fds.h"
#include "python/attach.h"
#include "python/code_place.h"
#include "python/context.h"
#include "python/errors.h"
#include "python/signals.h"
#include "queue/session.h"
#include "queue/timer.h"
#include "wire/protocol.h"

/* BaseExceptions, so that `except Exception` lets them pass. */
static PyObject *Cancelled, *TimedOut, *Shutdown;
static PyObject *current_frames; /* sys._current_frames */

static PyObject *exception_of(enum job_abort abort)
{
    switch (abort) {
    case JOB_ABORT_TIMED_OUT:
        return TimedOut;
    case JOB_ABORT_STOPPED:
        return Shutdown;
    case JOB_ABORT_CANCELLED:
    case JOB_ABORT_NONE:
        break;
    }
    return Cancelled;
}

static enum job_abort abort_of(const struct job *job)
{
    session_lock();
    enum job_abort abort = job->abort;
    session_unlock();
    return abort;
}

static const char *text_of_stop(const struct job *job)
{
    session_lock();
    bool input_ended = session.stopping;
    session_unlock();
    if (input_ended)
        return "the input ended while this ran (--linger gives it more time)";
    return job->request.operation == OPERATION_stream ? INTERRUPT_STOPPED : INTERRUPT_ENDED;
}

/* Says how long the request waited before it began, and how long it has run. */
static PyObject *text_of_timeout(const struct job *job)
{
    session_lock();
    unsigned long long started_us = job->started_us;
    session_unlock();
    unsigned long long now_us = clock_us();
    if (started_us == 0 || now_us < started_us)
        started_us = now_us;
    return PyUnicode_FromFormat(
        "the request took longer than its timeout of %llu ms: it waited for %llu ms and ran for %llu ms",
        job->request.timeout_ms, (started_us - job->read_us) / 1000, (now_us - started_us) / 1000);
}

static PyObject *text_of(const struct job *job, enum job_abort abort)
{
    switch (abort) {
    case JOB_ABORT_TIMED_OUT:
        return text_of_timeout(job);
    case JOB_ABORT_STOPPED:
        return PyUnicode_FromString(text_of_stop(job));
    case JOB_ABORT_CANCELLED:
    case JOB_ABORT_NONE:
        break;
    }
    return PyUnicode_FromString("the request was cancelled");
}

PyObject *interrupt_exception(const struct job *job)
{
    enum job_abort abort = abort_of(job);
    if (abort == JOB_ABORT_NONE)
        return Py_NewRef(Py_None);
    PyObject *text = text_of(job, abort);
    PyObject *exception = text == NULL ? NULL : PyObject_CallFunctionObjArgs(exception_of(abort), text, NULL);
    Py_XDECREF(text);
    return exception;
}

void interrupt_replace_error(const struct job *job)
{
    PyObject *error = errors_take();
    PyObject *abort = interrupt_exception(job);
    PyErr_Clear();
    if (abort != NULL && !Py_IsNone(abort) && error != NULL) {
        PyObject *traceback = PyException_GetTraceback(error);
        if (traceback != NULL)
            (void)PyException_SetTraceback(abort, traceback);
        Py_XDECREF(traceback);
        PyException_SetCause(abort, NULL);
        Py_SETREF(error, Py_NewRef(abort));
    }
    Py_XDECREF(abort);
    if (error != NULL)
        errors_set(error);
    else
        PyErr_NoMemory();
}

void interrupt_name_abort(const struct job *job)
{
    enum job_abort abort = abort_of(job);
    if (abort == JOB_ABORT_NONE || !PyErr_ExceptionMatches(exception_of(abort)))
        return;
    PyObject *exception = errors_take();
    PyObject *arguments = exception == NULL ? NULL : PyObject_GetAttrString(exception, "args");
    bool is_bare = arguments != NULL && PyTuple_Size(arguments) == 0;
    PyErr_Clear();
    Py_XDECREF(arguments);
    if (exception != NULL)
        errors_set(exception);
    else
        PyErr_NoMemory();
    if (is_bare)
        interrupt_replace_error(job);
}

static enum job_abort take_abort(struct job *job)
{
    session_lock();
    enum job_abort abort = job_take_abort(job);
    session_unlock();
    return abort;
}

int interrupt_raise(struct job *job)
{
    if (take_abort(job) == JOB_ABORT_NONE)
        return 0;
    PyObject *exception = interrupt_exception(job);
    if (exception != NULL)
        errors_set(exception);
    return -1;
}

void interrupt_set_shutdown(const char *text)
{
    PyErr_SetString(Shutdown, text);
}

const char *interrupt_kind(void)
{
    if (PyErr_ExceptionMatches(Shutdown))
        return PROTOCOL_SHUTDOWN;
    if (PyErr_ExceptionMatches(Cancelled))
        return PROTOCOL_CANCELLED;
    return PyErr_ExceptionMatches(TimedOut) ? PROTOCOL_TIMEOUT : NULL;
}

bool interrupt_on_main(void)
{
    return pthread_equal(pthread_self(), session.main_thread);
}

static bool is_due(struct job *job)
{
    session_lock();
    bool due = job_abort_is_due(job);
    session_unlock();
    return due;
}

static void retry(struct job *job)
{
    session_lock();
    job_retry_abort(job);
    timer_at(job->retry_us);
    session_unlock();
}

/* -- other threads ------------------------------------------------------------------------------------------------ */

/* With the lock. A job that waits for the BEAM checks for its abort on its own. */
static bool wants_exception(const struct job *job)
{
    bool on_thread = job->state == JOB_ON_THREAD || (job->state == JOB_STREAM && job->thread != 0);
    return on_thread && !job_is_covered(job) && !job->waits && job->context != NULL && job->context->abortable &&
           job_abort_is_due(job);
}

/* Returns the n-th job on another thread that must get an exception; NULL if there is none. The job lives on only while
 * its thread waits for the GIL: it must be searched for again once Python code has run. */
static struct job *find_job_on_thread(size_t n, unsigned long *thread)
{
    session_lock();
    struct job *job = session.jobs.active.first;
    while (job != NULL && (!wants_exception(job) || n-- > 0))
        job = job->next;
    *thread = job == NULL ? 0 : job->thread;
    session_unlock();
    return job;
}

/* Returns a new reference to the innermost frame of a thread, or NULL. */
static PyObject *frame_of(unsigned long thread)
{
    PyObject *frames = PyObject_CallFunctionObjArgs(current_frames, NULL);
    PyObject *key = PyLong_FromUnsignedLong(thread);
    PyObject *frame = frames == NULL || key == NULL ? NULL : Py_XNewRef(PyDict_GetItemWithError(frames, key));
    Py_XDECREF(key);
    Py_XDECREF(frames);
    PyErr_Clear();
    return frame;
}

/* Takes the abort of the job, if it still runs on that thread; else returns JOB_ABORT_NONE. */
static enum job_abort take_abort_on_thread(const struct job *wanted, unsigned long thread, bool may_raise)
{
    enum job_abort abort = JOB_ABORT_NONE;
    session_lock();
    struct job *job = session.jobs.active.first;
    while (job != NULL && (job != wanted || job->thread != thread || !wants_exception(job)))
        job = job->next;
    if (job != NULL && may_raise && job->context != NULL && job->context->abortable)
        abort = job_take_abort(job);
    else if (job != NULL)
        job_retry_abort(job);
    if (job != NULL)
        timer_at(job->retry_us);
    session_unlock();
    return abort;
}

void interrupt_threads(void)
{
    struct job *job;
    unsigned long thread;
    for (size_t n = 0; (job = find_job_on_thread(n, &thread)) != NULL;) {
        PyObject *frame = frame_of(thread);
        enum code_place place = code_place_of(frame);
        Py_XDECREF(frame);
        bool may_raise = place == CODE_OF_USER || place == CODE_OF_SELECT;
        enum job_abort abort = take_abort_on_thread(job, thread, may_raise);
        if (abort == JOB_ABORT_NONE)
            n++;
        else
            PyThreadState_SetAsyncExc(thread, exception_of(abort));
    }
}

void interrupt_leave_thread(struct job *job)
{
    if (job->thread != 0)
        PyThreadState_SetAsyncExc(job->thread, NULL);
}

/* -- the main thread ---------------------------------------------------------------------------------------------- */

/* A task that is not in the user's code is cancelled by its event loop instead. Without any Python frame the code may
 * be the engine's own, which decodes or encodes: Python checks for signals in PyObject_Str, for one. */
static bool may_raise_in(const struct job *job, PyObject *frame)
{
    bool has_frame = frame != NULL && !Py_IsNone(frame);
    if (!has_frame && job->context->stage != STAGE_CODE)
        return false;
    enum code_place place = code_place_of(frame);
    return place == CODE_OF_USER || (place == CODE_OF_SELECT && job->state != JOB_TASK);
}

static int interrupt_job(struct job *job, PyObject *frame)
{
    if (job == NULL || job_is_covered(job) || job->context == NULL || !is_due(job))
        return 0;
    if (job->context->abortable && may_raise_in(job, frame))
        return interrupt_raise(job);
    retry(job);
    return 0;
}

/* Interrupts what the main thread runs: the innermost job of its stack, else the task whose code is interrupted. */
static int interrupt_current(PyObject *frame)
{
    struct job *top = job_top();
    if (top != NULL && !job_is_covered(top))
        return interrupt_job(top, frame);
    struct context *context = context_current();
    int failed = context == NULL ? 0 : interrupt_job(context->job, frame);
    Py_XDECREF((PyObject *)context);
    return failed;
}

/* Handles the signal: (number, frame). Runs in the context of the code that it interrupts. */
static PyObject *on_signal(PyObject *self, PyObject *arguments)
{
    (void)self;
    if (std_fds_forked())
        Py_RETURN_NONE;
    interrupt_threads();
    if (interrupt_current(PyTuple_Size(arguments) == 2 ? PyTuple_GetItem(arguments, 1) : NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}

void interrupt_run_handlers(void)
{
    interrupt_threads();
    attach_look();
    while (PyErr_CheckSignals() < 0)
        PyErr_WriteUnraisable(NULL);
}

/* If the exception is an abort of the current job, has it delivered again, and returns true. */
static bool rearm_swallowed(PyObject *exception)
{
    struct context *context = context_current();
    bool ours = context != NULL && context->job != NULL &&
                (PyErr_GivenExceptionMatches(exception, Cancelled) || PyErr_GivenExceptionMatches(exception, TimedOut));
    if (ours) {
        session_lock();
        job_rearm_abort(context->job);
        handoff_interrupt_main();
        job_retry_abort(context->job); /* if the code blocks before it notices the signal: abort_deliver */
        timer_at(context->job->retry_us);
        session_unlock();
    }
    Py_XDECREF((PyObject *)context);
    return ours;
}

PyObject *interrupt_unraisable_function(PyObject *self, PyObject *unraisable)
{
    (void)self;
    PyObject *exception = PyObject_GetAttrString(unraisable, "exc_value");
    PyObject *result = NULL;
    if (exception != NULL && rearm_swallowed(exception)) {
        result = Py_NewRef(Py_None);
    } else if (exception != NULL) {
        PyObject *usual = PySys_GetObject("__unraisablehook__");
        result = usual == NULL ? Py_NewRef(Py_None) : PyObject_CallFunctionObjArgs(usual, unraisable, NULL);
    }
    Py_XDECREF(exception);
    return result;
}

void interrupt_clear_error(void)
{
    if (PyErr_Occurred() == NULL)
        return;
    PyObject *exception = errors_take();
    if (exception != NULL)
        (void)rearm_swallowed(exception);
    Py_XDECREF(exception);
    PyErr_Clear();
}

static int add_exception(PyObject *module, PyObject **place, const char *name, const char *text)
{
    char qualified[32];
    snprintf(qualified, sizeof qualified, "erlang.%s", name);
    *place = PyErr_NewExceptionWithDoc(qualified, text, PyExc_BaseException, NULL);
    return *place == NULL ? -1 : PyModule_AddObjectRef(module, name, *place);
}

static PyMethodDef on_signal_method = {"on_signal", on_signal, METH_VARARGS, NULL};

int interrupt_start(PyObject *module)
{
    current_frames = Py_XNewRef(PySys_GetObject("_current_frames"));
    if (current_frames == NULL ||
        add_exception(module, &Shutdown, "Shutdown", "The client does not wait for the result any more.") < 0 ||
        add_exception(module, &Cancelled, "Cancelled", "The BEAM cancelled the request.") < 0 ||
        add_exception(module, &TimedOut, "TimedOut", "The request took longer than its timeout.") < 0)
        return -1;
    PyObject *handler = PyCFunction_New(&on_signal_method, NULL);
    int failed = handler == NULL ? -1 : signals_start(handler);
    atomic_store(&session.signals_ready, !failed);
    Py_XDECREF(handler);
    return failed;
}
