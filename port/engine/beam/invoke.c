/* Sends a call and waits for its answer: the main thread by the scheduler, any other on its own. */
#include "beam/invoke.h"

#include "beam/beam_events.h"
#include "beam/invoke_result.h"
#include "exec/execute.h"
#include "exec/invoke_table.h"
#include "exec/stream.h"
#include "os/schedule.h"
#include "python/context.h"
#include "python/interrupt.h"
#include "queue/session.h"
#include "session/scheduler.h"

/* Notes that the job does not wait any more. While it waits, from before its call is sent, its thread checks for its
 * abort on its own: an exception from outside could hit a job that runs within the call, or come without being noticed
 * while the thread waits. */
static void stop_waiting(struct job *job)
{
    session_lock();
    job->waits = false;
    session_unlock();
}

/* Runs the jobs that are made within the call, on another thread than the main one. Returns 0 once it is answered, -1
 * with an error set. */
static int run_until_answered(struct invocation *invocation)
{
    unsigned long ident = PyThread_get_thread_ident();
    for (;;) {
        PyThreadState *thread = PyEval_SaveThread();
        struct nested_work work = invoke_table_wait(invocation, ident);
        SCHEDULE_POINT(thread_has_work);
        PyEval_RestoreThread(thread);
        if (work.job != NULL)
            execute_nested(work.job);
        else if (work.stream != NULL)
            stream_step(work.stream);
        else if (invocation->answered)
            return 0;
        if (invocation->job != NULL && interrupt_raise(invocation->job) < 0)
            return -1;
    }
}

static int wait_on_thread(struct invocation *invocation)
{
    struct job *job = invocation->job;
    int failed = run_until_answered(invocation);
    if (job == NULL)
        return failed;
    stop_waiting(job);
    /* The abort may have come since the last check. */
    return failed ? failed : interrupt_raise(job);
}

/* Waits, and removes the invocation. Returns 0 once it is answered, -1 with an error set. */
static int wait_for_answer(struct invocation *invocation)
{
    if (invocation->waiter == WAITER_THREAD)
        return wait_on_thread(invocation);
    struct context *context = context_current();
    if (context != NULL && context->abortable)
        invocation->context = context;
    int failed = scheduler_wait_for_answer(invocation);
    Py_XDECREF((PyObject *)context);
    return failed;
}

/* Takes no reference over. */
static PyObject *call_and_wait(PyObject *target, PyObject *arguments)
{
    bool on_main = interrupt_on_main();
    struct invocation invocation = {.waiter = on_main ? WAITER_MAIN : WAITER_THREAD, .job = on_main ? NULL : job_top()};
    /* A forked child has none of the session's threads. */
    if (beam_events_refuse_in_child() < 0)
        return NULL;
    invoke_table_add(&invocation);
    int failed = beam_events_invoke(invocation.number, target, arguments);
    if (failed) {
        invoke_table_remove(&invocation);
        if (invocation.job != NULL) {
            stop_waiting(invocation.job);
            (void)interrupt_raise(invocation.job);
        }
        return NULL;
    }
    SCHEDULE_POINT(invoke_sent);
    failed = wait_for_answer(&invocation);
    SCHEDULE_POINT(invoke_over);
    invoke_table_remove(&invocation);
    if (!failed)
        return invoke_result_take(&invocation);
    beam_events_abandon(invocation.number);
    /* The answer may have come after all. */
    request_free(&invocation.answer);
    return NULL;
}

static PyObject *call_target(PyObject *target, PyObject *sequence)
{
    PyObject *arguments = PySequence_List(sequence);
    PyObject *value = arguments == NULL ? NULL : call_and_wait(target, arguments);
    Py_XDECREF(arguments);
    return value;
}

PyObject *invoke_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *module, *function, *args = NULL;
    if (!PyArg_ParseTuple(arguments, "UU|O:call", &module, &function, &args))
        return NULL;
    PyObject *target = PyTuple_Pack(2, module, function);
    PyObject *none = PyTuple_New(0);
    PyObject *value = target == NULL || none == NULL ? NULL : call_target(target, args == NULL ? none : args);
    Py_XDECREF(none);
    Py_XDECREF(target);
    return value;
}

PyObject *invoke_fun(PyObject *fun, PyObject *arguments, PyObject *keywords)
{
    if (keywords != NULL && PyDict_Size(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "a function of the BEAM takes no keyword arguments");
        return NULL;
    }
    return call_target(fun, arguments);
}
