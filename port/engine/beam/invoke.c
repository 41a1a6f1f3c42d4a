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
#include "queue/timer.h"
#include "session/scheduler.h"

/* While the job waits its thread looks for its abort by itself: no exception is on its way to it that what runs within
 * the call could meet. That holds from before the invoke event is written, which gives the GIL up. */
static void set_waits(struct job *job, bool waits)
{
    if (job == NULL)
        return;
    session_lock();
    job->waits = waits;
    /* If nothing takes it meanwhile. */
    if (!waits && job_abort_is_due(job)) {
        job_retry_abort(job);
        timer_at(job->retry_us);
    }
    session_unlock();
}

/* On another thread than the main one: runs what was made within the call. 0 once it is answered, -1 with an error set.
 */
static int run_until_answered(struct invocation *invocation)
{
    unsigned long ident = PyThread_get_thread_ident();
    for (;;) {
        PyThreadState *thread = PyEval_SaveThread();
        struct nested_work work = invoke_table_wait(invocation, ident);
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
    set_waits(job, false);
    /* It may have come since. */
    if (!failed && job != NULL)
        failed = interrupt_raise(job);
    return failed;
}

/* Waits, and takes the invocation out. 0 once it is answered, -1 with an error set. */
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
    /* A child of a fork has none of the session's threads. */
    if (beam_events_refuse_in_child() < 0)
        return NULL;
    set_waits(invocation.job, true);
    invoke_table_add(&invocation);
    int failed = beam_events_invoke(invocation.number, target, arguments);
    if (failed) {
        set_waits(invocation.job, false);
        invoke_table_remove(&invocation);
        return NULL;
    }
    SCHEDULE_POINT(invoke_sent);
    failed = wait_for_answer(&invocation);
    SCHEDULE_POINT(invoke_over);
    invoke_table_remove(&invocation);
    if (!failed)
        return invoke_result_take(&invocation.answer);
    beam_events_abandon(invocation.number);
    /* It may have come after all. */
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
