/* The C handler of Python's own machinery notes the signal, the eval loop calls on_signal. SIGURG is ignored by
 * default, so that a stray one does no harm. */
#include "python/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "os/clock.h"
#include "python/context.h"
#include "python/errors.h"
#include "queue/timer.h"
#include "wire/protocol.h"

#define INTERRUPT_SIGNAL SIGURG
/* How soon a place that is no place to stop at is left, mostly. */
#define RETRY_US 5000

/* BaseExceptions, so that `except Exception` lets them pass. */
static PyObject *Cancelled, *TimedOut, *Shutdown;
static pthread_t main_thread;
static atomic_bool started, shutdown_asked;

static PyObject *exception_of(enum job_verdict verdict)
{
    return verdict == JOB_TIMED_OUT ? TimedOut : Cancelled;
}

PyObject *interrupt_exception(const struct job *job)
{
    if (job->verdict == JOB_GOES_ON)
        return Py_NewRef(Py_None);
    PyObject *text =
        job->verdict == JOB_TIMED_OUT
            ? PyUnicode_FromFormat("the request took longer than its timeout of %llu ms", job->request.timeout_ms)
            : PyUnicode_FromString("the request was cancelled");
    PyObject *exception = text == NULL ? NULL : PyObject_CallFunctionObjArgs(exception_of(job->verdict), text, NULL);
    Py_XDECREF(text);
    return exception;
}

int interrupt_raise(struct job *job)
{
    if (job_take_verdict(job) == JOB_GOES_ON)
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

/* Requests that run on other threads, which no signal handler of Python reaches. */
static void interrupt_threads(void)
{
    enum job_verdict verdict;
    unsigned long thread;
    while ((thread = job_take_thread_verdict(&verdict)) != 0)
        PyThreadState_SetAsyncExc(thread, exception_of(verdict));
}

bool interrupt_on_main(void)
{
    return pthread_equal(pthread_self(), main_thread);
}

void interrupt_enter_thread(struct job *job)
{
    if (!interrupt_on_main())
        job_set_thread(job, PyThread_get_thread_ident());
}

void interrupt_leave_thread(struct job *job)
{
    if (job->thread == 0)
        return;
    PyThreadState_SetAsyncExc(job->thread, NULL);
    job_set_thread(job, 0);
}

static bool is_import(PyObject *frame)
{
    PyObject *code = PyObject_GetAttrString(frame, "f_code");
    PyObject *file = code == NULL ? NULL : PyObject_GetAttrString(code, "co_filename");
    bool is = file != NULL && PyUnicode_Check(file) &&
              PyUnicode_CompareWithASCIIString(file, "<frozen importlib._bootstrap>") == 0;
    Py_XDECREF(file);
    Py_XDECREF(code);
    return is;
}

/* A package whose import is cut short is broken for as long as the process lives: its modules stay, without the names
 * that were to be bound last. So an import is left to come to its end first. */
static bool is_importing(PyObject *frame)
{
    bool importing = false;
    Py_XINCREF(frame);
    while (frame != NULL && !Py_IsNone(frame) && !importing) {
        importing = is_import(frame);
        Py_SETREF(frame, PyObject_GetAttrString(frame, "f_back"));
    }
    Py_XDECREF(frame);
    PyErr_Clear();
    return importing;
}

static int interrupt_owner(struct context *owner, PyObject *frame)
{
    if (owner == NULL || owner->job == NULL || !owner->interruptible || !job_has_verdict(owner->job))
        return 0;
    if (!is_importing(frame))
        return interrupt_raise(owner->job);
    timer_at(clock_us() + RETRY_US);
    return 0;
}

/* Runs in the context of the code that it interrupts. */
static PyObject *on_signal(PyObject *self, PyObject *arguments)
{
    (void)self;
    if (atomic_load(&shutdown_asked)) {
        PyErr_SetString(Shutdown, "the input ended while this ran (--linger gives it more time)");
        return NULL;
    }
    interrupt_threads();
    struct context *owner = context_current();
    /* (number, frame) */
    int failed = interrupt_owner(owner, PyTuple_Size(arguments) == 2 ? PyTuple_GetItem(arguments, 1) : NULL);
    Py_XDECREF((PyObject *)owner);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

PyObject *interrupt_unraisable_function(PyObject *self, PyObject *unraisable)
{
    (void)self;
    PyObject *exception = PyObject_GetAttrString(unraisable, "exc_value");
    struct context *owner = context_current();
    bool ours = exception != NULL && owner != NULL && owner->job != NULL &&
                (PyErr_GivenExceptionMatches(exception, Cancelled) || PyErr_GivenExceptionMatches(exception, TimedOut));
    PyObject *result = NULL;
    if (ours) {
        job_untell(owner->job);
        interrupt_main();
        result = Py_NewRef(Py_None);
    } else if (exception != NULL) {
        PyObject *usual = PySys_GetObject("__unraisablehook__");
        result = usual == NULL ? Py_NewRef(Py_None) : PyObject_CallFunctionObjArgs(usual, unraisable, NULL);
    }
    Py_XDECREF((PyObject *)owner);
    Py_XDECREF(exception);
    return result;
}

static PyMethodDef on_signal_method = {"on_signal", on_signal, METH_VARARGS, NULL};

/* Importing _signal installs a handler that turns SIGINT into a KeyboardInterrupt, at some later request if none runs.
 * Here an interrupt from a terminal is to end the process, as it ends others. */
static PyObject *import_signals(void)
{
    struct sigaction before;
    bool ends = sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler == SIG_DFL;
    PyObject *signals = PyImport_ImportModule("_signal");
    if (signals == NULL || !ends)
        return signals;
    PyObject *default_action = PyObject_GetAttrString(signals, "SIG_DFL");
    PyObject *done =
        default_action == NULL ? NULL : PyObject_CallMethod(signals, "signal", "iO", SIGINT, default_action);
    Py_XDECREF(default_action);
    if (done == NULL)
        Py_CLEAR(signals);
    Py_XDECREF(done);
    return signals;
}

static int add_exception(PyObject *module, PyObject **place, const char *name, const char *text)
{
    char qualified[32];
    snprintf(qualified, sizeof qualified, "erlang.%s", name);
    *place = PyErr_NewExceptionWithDoc(qualified, text, PyExc_BaseException, NULL);
    return *place == NULL ? -1 : PyModule_AddObjectRef(module, name, *place);
}

int interrupt_start(PyObject *module)
{
    main_thread = pthread_self();
    if (add_exception(module, &Shutdown, "Shutdown", "Nobody waits for the result any more.") < 0 ||
        add_exception(module, &Cancelled, "Cancelled", "The BEAM cancelled the request.") < 0 ||
        add_exception(module, &TimedOut, "TimedOut", "The request took longer than its timeout.") < 0)
        return -1;
    PyObject *handler = PyCFunction_New(&on_signal_method, NULL);
    PyObject *signals = import_signals();
    PyObject *done = NULL;
    if (handler != NULL && signals != NULL)
        done = PyObject_CallMethod(signals, "signal", "iO", INTERRUPT_SIGNAL, handler);
    atomic_store(&started, done != NULL);
    Py_XDECREF(signals);
    Py_XDECREF(handler);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

void interrupt_main(void)
{
    if (atomic_load(&started))
        pthread_kill(main_thread, INTERRUPT_SIGNAL);
}

void interrupt_shutdown(void)
{
    atomic_store(&shutdown_asked, true);
    interrupt_main();
}
