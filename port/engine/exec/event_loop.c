/* loop.py has the tasks; here is what ties them to requests. A pipe wakes the loop from threads without the GIL. */
#include "exec/event_loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec/reply.h"
#include "exec/stream.h"
#include "os/platform.h"
#include "python/embedded.h"
#include "python/interrupt.h"
#include "wire/protocol.h"

static int wake_in = -1, wake_out = -1;
static loop_work *work;
static PyObject *module, *tasks;  /* loop.py, once it was needed, and its dict of tasks */
static struct context *exclusive; /* the request that others, but for concurrent ones, wait for; borrowed */
static atomic_bool running;       /* the main thread is in the loop */
static atomic_uint blocked;       /* how many times over the main thread waits for the BEAM */
static atomic_bool woken, verdicts;
static atomic_size_t task_count;

bool loop_start(loop_work *function)
{
    int ends[2];
    if (!platform_wake_pipe(ends))
        return false;
    wake_out = ends[0];
    wake_in = ends[1];
    work = function;
    return true;
}

/* -- from any thread ----------------------------------------------------------------------------------------------- */

void loop_wake(void)
{
    /* A full pipe wakes as well. */
    if (atomic_load(&running) && !atomic_exchange(&woken, true))
        (void)!write(wake_in, "", 1);
}

void loop_wake_for_verdicts(void)
{
    atomic_store(&verdicts, true);
    loop_wake();
}

void loop_block(void)
{
    atomic_fetch_add(&blocked, 1);
}

void loop_unblock(void)
{
    atomic_fetch_sub(&blocked, 1);
}

size_t loop_task_count(void)
{
    return atomic_load(&task_count);
}

/* -- with the GIL -------------------------------------------------------------------------------------------------- */

/* Imports asyncio, which is the engine's work, and not to be cut short. */
static bool load(void)
{
    if (module != NULL)
        return true;
    struct context *owner = context_current();
    bool interruptible = owner != NULL && owner->interruptible;
    if (owner != NULL)
        owner->interruptible = false;
    PyObject *loaded = embedded_load("event_loop");
    if (owner != NULL)
        owner->interruptible = interruptible;
    Py_XDECREF((PyObject *)owner);
    tasks = loaded == NULL ? NULL : PyObject_GetAttrString(loaded, "tasks");
    if (tasks == NULL)
        Py_XDECREF(loaded);
    else
        module = loaded;
    return module != NULL;
}

static bool is_plain(PyObject *value)
{
    return Py_IsNone(value) || PyUnicode_CheckExact(value) || PyLong_Check(value) || PyFloat_CheckExact(value) ||
           PyDict_CheckExact(value) || PyList_CheckExact(value) || PyTuple_CheckExact(value) ||
           PyBytes_CheckExact(value);
}

bool loop_takes(const struct run *run, PyObject *value)
{
    if (is_plain(value))
        return false;
    PyObject *type = (PyObject *)Py_TYPE(value);
    return PyObject_HasAttrString(type, "__await__") ||
           (run->request->operation == OPERATION_stream && PyObject_HasAttrString(type, "__aiter__"));
}

/* Where the main thread waits for the BEAM inside the loop, or on another thread, no task could ever go on. */
static bool can_await(PyObject *value)
{
    if (interrupt_on_main() && !(atomic_load(&running) && atomic_load(&blocked) > 0))
        return true;
    /* Else Python warns that a coroutine was never awaited. */
    PyObject *closed = PyObject_CallMethod(value, "close", NULL);
    Py_XDECREF(closed);
    PyErr_Clear();
    PyErr_SetString(PyExc_RuntimeError, "this request was made by a function of the BEAM that Python waits for without "
                                        "await: it cannot await anything itself (use erlang.call_async)");
    return false;
}

bool loop_begin(struct run *run, PyObject *value)
{
    if (!can_await(value) || !load())
        return false;
    struct run *kept = malloc(sizeof *kept);
    if (kept == NULL)
        return PyErr_NoMemory(), false;
    bool streams = run->request->operation == OPERATION_stream;
    PyObject *begun = NULL;
    if (!streams || stream_attach(run) == 0)
        begun = PyObject_CallMethod(module, "begin", "OOi", run->owner, value, streams);
    if (begun == NULL) {
        if (streams)
            stream_detach(run->owner);
        free(kept);
        return false;
    }
    Py_DECREF(value);
    Py_DECREF(begun);
    *kept = *run;
    run->owner->run = kept;
    if (!streams && !run->request->concurrent)
        exclusive = run->owner;
    atomic_fetch_add(&task_count, 1);
    /* Its verdict may have come before it was a task. */
    if (job_has_verdict(run->owner->job))
        loop_wake_for_verdicts();
    return true;
}

static bool has_tasks(void)
{
    return atomic_load(&task_count) > 0;
}

bool loop_may_begin(const struct job *job)
{
    if (job->request.operation == OPERATION_stop)
        return false;
    return exclusive == NULL || job->request.concurrent || job->request.operation == OPERATION_release;
}

/* An exception that left the loop (sys.exit() in a coroutine does) is its task's, too, which is answered. */
static bool run_once(void)
{
    PyObject *done = PyObject_CallMethod(module, "run", "i", wake_out);
    Py_XDECREF(done);
    if (done != NULL)
        return true;
    const char *kind = interrupt_kind();
    bool goes_on = kind == NULL || strcmp(kind, PROTOCOL_SHUTDOWN) != 0;
    PyErr_Clear();
    return goes_on;
}

void loop_run(void)
{
    if (!has_tasks() || !interrupt_on_main() || atomic_exchange(&running, true))
        return;
    struct context *before = context_switch(NULL);
    while (has_tasks() && run_once())
        ;
    atomic_store(&running, false);
    context_restore(before);
}

void loop_close(void)
{
    PyObject *done = module == NULL ? NULL : PyObject_CallMethod(module, "close", NULL);
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
}

/* -- for loop.py --------------------------------------------------------------------------------------------------- */

static void tell_verdicts(void)
{
    PyObject *owners = PyDict_Keys(tasks);
    for (Py_ssize_t i = 0; owners != NULL && i < PyList_Size(owners); i++) {
        struct context *owner = (struct context *)PyList_GetItem(owners, i);
        if (owner->job == NULL || job_take_verdict(owner->job) == JOB_GOES_ON)
            continue;
        PyObject *done = PyObject_CallMethod(module, "cancel", "O", owner);
        Py_XDECREF(done);
    }
    PyErr_Clear();
    Py_XDECREF(owners);
}

PyObject *loop_pump_function(PyObject *self, PyObject *unused)
{
    char bytes[64];
    (void)self, (void)unused;
    while (read(wake_out, bytes, sizeof bytes) > 0)
        ;
    atomic_store(&woken, false);
    if (atomic_exchange(&verdicts, false))
        tell_verdicts();
    PyObject *done = PyObject_CallMethod(module, "granted", NULL);
    if (done == NULL)
        return NULL;
    Py_DECREF(done);
    work();
    Py_RETURN_NONE;
}

/* end_task(owner, outcome): the task is done, and outcome() gives its value or raises. */
PyObject *loop_end_function(PyObject *self, PyObject *arguments)
{
    struct context *owner;
    PyObject *outcome;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "OO", &owner, &outcome))
        return NULL;
    struct run *run = owner->run;
    owner->run = NULL;
    stream_detach(owner);
    if (exclusive == owner)
        exclusive = NULL;
    struct context *before = context_switch(owner);
    PyObject *value = PyObject_CallFunctionObjArgs(outcome, NULL);
    reply_end(run, value);
    free(run);
    context_restore(before);
    atomic_fetch_sub(&task_count, 1);
    /* Somebody may have waited for this one. */
    loop_wake();
    Py_RETURN_NONE;
}

PyObject *loop_call_async_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *function = load() ? PyObject_GetAttrString(module, "call_async") : NULL;
    PyObject *coroutine = function == NULL ? NULL : PyObject_CallObject(function, arguments);
    Py_XDECREF(function);
    return coroutine;
}

/* The exception for the verdict of a request, or None. */
PyObject *loop_verdict_function(PyObject *self, PyObject *owner)
{
    (void)self;
    struct job *job = ((struct context *)owner)->job;
    return job == NULL ? Py_NewRef(Py_None) : interrupt_exception(job);
}
