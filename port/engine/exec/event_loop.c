/* Runs the event loop of event_loop.py. A pipe wakes the loop from threads without the GIL. */
#include "exec/event_loop.h"

#include <stdatomic.h>
#include <string.h>

#include "exec/event_tasks.h"
#include "os/schedule.h"
#include "os/std_fds.h"
#include "python/embedded.h"
#include "python/interrupt.h"
#include "queue/session.h"
#include "wire/protocol.h"

/* How long tasks may clean up at the end of the session. */
#define CLOSE_SECONDS 0.2

static event_loop_work *work;
static PyObject *module;      /* event_loop.py, once it was needed */
static atomic_bool is_loaded; /* the same, for a main thread without the GIL: another thread may load it */
static bool leaving;

void event_loop_start(event_loop_work *function)
{
    work = function;
}

bool event_loop_is_loaded(void)
{
    return atomic_load(&is_loaded);
}

/* Imports asyncio, which is the engine's work, and must not be cut short. */
static bool load(void)
{
    if (module != NULL)
        return true;
    struct context *context = context_current();
    bool abortable = context != NULL && context->abortable;
    if (context != NULL)
        context->abortable = false;
    PyObject *loaded = embedded_load("event_loop");
    if (context != NULL)
        context->abortable = abortable;
    Py_XDECREF((PyObject *)context);
    if (loaded == NULL || event_tasks_start(loaded) < 0)
        Py_XDECREF(loaded);
    else
        module = loaded;
    atomic_store(&is_loaded, module != NULL);
    return module != NULL;
}

/* -- the ends of tasks -------------------------------------------------------------------------------------------- */

static bool is_running(void)
{
    session_lock();
    bool running = session.loop.running;
    session_unlock();
    return running;
}

static void wake_loop(void)
{
    session_lock();
    handoff_wake_main();
    session_unlock();
}

static void end_task(struct context *context, PyObject *task)
{
    SCHEDULE_POINT(task_done);
    event_tasks_end(context, task);
    if (!is_running())
        return;
    if (event_loop_is_needed())
        wake_loop(); /* jobs may have waited for this one */
    else
        event_loop_leave();
}

/* Runs as the task's callback. No bytecode of the engine runs between the end of the task and that of the job: no
 * exception can be raised in between. */
static PyObject *on_done(PyObject *self, PyObject *task)
{
    struct context *context = (struct context *)self;
    if (context->job != NULL)
        end_task(context, task);
    Py_RETURN_NONE;
}

static PyMethodDef on_done_method = {"on_done", on_done, METH_O, NULL};

/* Ends the jobs whose task is done. A callback can be lost, for example if memory is short when asyncio schedules
 * it. */
static void end_done_tasks(void)
{
    PyObject *items = event_tasks_list();
    for (Py_ssize_t i = 0; items != NULL && i < PyList_Size(items); i++) {
        PyObject *pair = PyList_GetItem(items, i), *task = PyTuple_GetItem(pair, 1);
        PyObject *done = PyObject_CallMethod(task, "done", NULL);
        if (done != NULL && PyObject_IsTrue(done) == 1)
            Py_XDECREF(on_done(PyTuple_GetItem(pair, 0), task));
        Py_XDECREF(done);
        PyErr_Clear();
    }
    PyErr_Clear();
    Py_XDECREF(items);
}

/* -- from a value to a task --------------------------------------------------------------------------------------- */

static bool is_plain(PyObject *value)
{
    return Py_IsNone(value) || PyUnicode_CheckExact(value) || PyLong_Check(value) || PyFloat_CheckExact(value) ||
           PyDict_CheckExact(value) || PyList_CheckExact(value) || PyTuple_CheckExact(value) ||
           PyBytes_CheckExact(value);
}

bool event_loop_takes(const struct context *context, PyObject *value)
{
    if (is_plain(value))
        return false;
    PyObject *type = (PyObject *)Py_TYPE(value);
    return PyObject_HasAttrString(type, "__await__") ||
           (context->job->request.operation == OPERATION_stream && PyObject_HasAttrString(type, "__aiter__"));
}

/* The abort may have come before the job was a task. */
static void move_to_task(struct job *job)
{
    session_lock();
    job_pop(job);
    job_move(job, JOB_TASK);
    if (job_abort_is_due(job))
        session.loop.aborts_due = true;
    handoff_wake_main();
    session_unlock();
}

/* The work of the engine and asyncio for a request must not be cut short. */
bool event_loop_begin(struct context *context, PyObject *value)
{
    context->abortable = false;
    bool begun = load() && event_tasks_begin(context, value, &on_done_method);
    context->abortable = true;
    SCHEDULE_POINT(job_becomes_task);
    if (begun)
        move_to_task(context->job);
    return begun;
}

/* -- in the loop -------------------------------------------------------------------------------------------------- */

/* Returns a new reference to the context of the task whose code runs in the loop, or NULL. */
static struct context *context_of_current_task(void)
{
    if (!interrupt_on_main())
        return NULL;
    PyObject *context = PyObject_CallMethod(module, "current_context", NULL);
    PyErr_Clear();
    if (context != NULL && Py_IsNone(context))
        Py_CLEAR(context);
    return (struct context *)context;
}

static bool has_tasks_of_jobs(void)
{
    session_lock();
    bool has = session.loop.tasks > 0;
    session_unlock();
    return has;
}

/* Only the reader thread reads while the main thread is in the loop: it must be able to, and the input must not have
 * ended. */
static bool may_idle_in_loop(void)
{
    session_lock();
    bool may = session.invocations.main_wait == NULL && session.handoff.watchable;
    session_unlock();
    return may && !atomic_load(&session.ended);
}

bool event_loop_is_needed(void)
{
    if (module == NULL)
        return false;
    if (has_tasks_of_jobs())
        return true;
    PyObject *needed = may_idle_in_loop() ? PyObject_CallMethod(module, "is_needed", NULL) : Py_NewRef(Py_False);
    bool is = needed != NULL && PyObject_IsTrue(needed) == 1;
    PyErr_Clear();
    Py_XDECREF(needed);
    return is;
}

/* An exception that leaves the loop (such as that of sys.exit() in a coroutine) is also its task's, which gets a
 * reply. */
static void run_once(void)
{
    PyObject *done = PyObject_CallMethod(module, "run", "i", session.handoff.wake_out);
    if (done == NULL) {
        PyErr_Clear();
        end_done_tasks();
    }
    Py_XDECREF(done);
}

/* Returns whether there is more to do in the loop than to step its tasks. With the lock. */
static bool has_work(void)
{
    return session.loop.aborts_due || session.jobs.queued.count > 0 || session.jobs.nested.count > 0 ||
           session.streams.count > 0 || session.invocations.count > 0 || atomic_load(&session.ended);
}

/* The jobs below on the stack wait: no abort is for them meanwhile. */
static void enter_loop(bool running)
{
    session_lock();
    session.loop.running = running;
    session.loop.base = running ? session.jobs.main_top : NULL;
    (void)handoff_enter(running ? MAIN_LOOPS : MAIN_WORKS);
    if (running && has_work())
        handoff_wake_main();
    session_unlock();
}

void event_loop_run(void)
{
    if (module == NULL || !interrupt_on_main() || is_running() || !event_loop_is_needed())
        return;
    struct context *before = context_switch(NULL);
    context_of_task = context_of_current_task;
    leaving = false;
    enter_loop(true);
    while (!leaving && event_loop_is_needed())
        run_once();
    enter_loop(false);
    context_of_task = NULL;
    context_restore(before);
}

static void stop_loop(void)
{
    PyObject *done = PyObject_CallMethod(module, "stop", NULL);
    Py_XDECREF(done);
    PyErr_Clear();
}

void event_loop_leave(void)
{
    leaving = true;
    stop_loop();
}

/* -- for event_loop.py -------------------------------------------------------------------------------------------- */

void event_loop_close(void)
{
    if (module == NULL)
        return;
    event_tasks_stop();
    event_tasks_cancel_aborted();
    end_done_tasks();
    PyObject *done = PyObject_CallMethod(module, "close", "d", CLOSE_SECONDS);
    PyErr_Clear();
    Py_XDECREF(done);
    event_tasks_end_left();
}

PyObject *event_loop_pump_function(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    if (std_fds_forked())
        Py_RETURN_NONE;
    SCHEDULE_POINT(loop_woken);
    session_lock();
    handoff_clear_wake();
    bool aborts = session.loop.aborts_due;
    session.loop.aborts_due = false;
    session_unlock();
    if (aborts) {
        event_tasks_cancel_aborted();
        end_done_tasks();
    }
    PyObject *done = PyObject_CallMethod(module, "granted", NULL);
    if (done == NULL)
        return NULL;
    Py_DECREF(done);
    work();
    if (!event_loop_is_needed())
        event_loop_leave();
    Py_RETURN_NONE;
}

PyObject *event_loop_call_async_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *function = load() ? PyObject_GetAttrString(module, "call_async") : NULL;
    PyObject *coroutine = function == NULL ? NULL : PyObject_CallObject(function, arguments);
    Py_XDECREF(function);
    return coroutine;
}

/* abort(context): returns the exception for the abort of a request, or None. */
PyObject *event_loop_abort_function(PyObject *self, PyObject *context)
{
    (void)self;
    const struct job *job = ((struct context *)context)->job;
    return job == NULL ? Py_NewRef(Py_None) : interrupt_exception(job);
}

/* wake(): another thread scheduled something in the loop, which wakes on its own only if it runs. */
PyObject *event_loop_wake_function(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    session_lock();
    if (!session.loop.running)
        handoff_wake_main();
    session_unlock();
    Py_RETURN_NONE;
}

/* end_done_tasks(): ends the jobs whose task is done, but whose callback was lost. */
PyObject *event_loop_end_done_tasks_function(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    end_done_tasks();
    Py_RETURN_NONE;
}
