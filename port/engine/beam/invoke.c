/* Calling, and what a thread does until it has its answer. */
#include "beam/invoke.h"

#include "beam/beam_events.h"
#include "beam/invoke_result.h"
#include "exec/event_loop.h"
#include "exec/invoke_table.h"
#include "exec/serve.h"
#include "exec/stream.h"
#include "os/clock.h"
#include "python/context.h"
#include "python/interrupt.h"

/* A call that has waited for so long lets other requests run: what it waits for may wait for one of them, through
 * processes that know nothing of the call. */
#define PATIENCE_US 500000

static struct input *call_input;

void invoke_start(struct input *input)
{
    call_input = input;
}

/* -- waiting ------------------------------------------------------------------------------------------------------- */

/* Without the GIL. False where the input has ended. */
static bool wait_for_arrival(struct invocation *call)
{
    if (call->waiter == WAITER_MAIN)
        return input_wait(call_input, invoke_table_has_arrived, call, PATIENCE_US / 1000);
    invoke_table_wait(call);
    return true;
}

/* Runs what was made within the call, and, where it has waited for long, what waits elsewhere. Whether it is answered.
 */
static bool serve_meanwhile(struct invocation *call)
{
    bool answered;
    struct job *job = invoke_table_take_given(call, &answered);
    if (job == NULL && !answered && call->waiter == WAITER_MAIN && clock_us() - call->since_us >= PATIENCE_US)
        job = job_begin_next(loop_may_begin);
    if (job != NULL)
        serve_flight(job);
    else if (!answered)
        (void)stream_step();
    return answered;
}

/* What keeps a waiting call from going on; -1 with an error set. */
static int check_interrupts(const struct invocation *call)
{
    if (call->waiter != WAITER_MAIN)
        return 0;
    struct context *owner = context_current();
    int failed = owner != NULL && owner->job != NULL && owner->interruptible ? interrupt_raise(owner->job) : 0;
    Py_XDECREF((PyObject *)owner);
    return failed ? -1 : PyErr_CheckSignals();
}

/* 0 once it is answered, -1 with an error set. */
static int wait_for_answer(struct invocation *call)
{
    for (;;) {
        PyThreadState *thread = PyEval_SaveThread();
        bool goes_on = wait_for_arrival(call);
        PyEval_RestoreThread(thread);
        if (serve_meanwhile(call))
            return 0;
        if (check_interrupts(call) < 0)
            return -1;
        if (!goes_on) {
            interrupt_set_shutdown("the input ended while this waited for the BEAM");
            return -1;
        }
    }
}

/* Takes no reference over. */
static PyObject *call_and_wait(PyObject *target, PyObject *arguments)
{
    bool on_main = interrupt_on_main();
    struct invocation call = {.waiter = on_main ? WAITER_MAIN : WAITER_THREAD, .since_us = clock_us()};
    invoke_table_add(&call);
    if (beam_events_invoke(call.number, target, arguments) < 0) {
        invoke_table_remove(&call);
        return NULL;
    }
    if (on_main)
        loop_block();
    int failed = wait_for_answer(&call);
    if (on_main)
        loop_unblock();
    invoke_table_remove(&call);
    if (!failed)
        return invoke_result_take(&call);
    beam_events_abandon(call.number);
    /* It may have come after all. */
    request_free(&call.answer);
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
