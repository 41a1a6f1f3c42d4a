#include "exec/event_tasks.h"

#include "exec/reply.h"
#include "exec/stream.h"
#include "python/interrupt.h"
#include "queue/session.h"

static PyObject *module, *tasks, *CancelledError; /* event_loop.py, and its attributes */

int event_tasks_start(PyObject *event_loop)
{
    tasks = PyObject_GetAttrString(event_loop, "tasks");
    CancelledError = tasks == NULL ? NULL : PyObject_GetAttrString(event_loop, "CancelledError");
    if (CancelledError != NULL)
        module = Py_NewRef(event_loop);
    return CancelledError == NULL ? -1 : 0;
}

PyObject *event_tasks_list(void)
{
    return PyDict_Items(tasks);
}

/* -- from a value to a task --------------------------------------------------------------------------------------- */

/* If the main thread waits for the BEAM inside the loop, or on another thread, no task could ever go on. */
static bool can_await(PyObject *value)
{
    session_lock();
    bool blocked = session.loop.running && session.loop.blocked > 0;
    session_unlock();
    if (interrupt_on_main() && !blocked)
        return true;
    /* Otherwise Python warns that a coroutine was never awaited. */
    PyObject *closed = PyObject_CallMethod(value, "close", NULL);
    Py_XDECREF(closed);
    PyErr_Clear();
    PyErr_SetString(PyExc_RuntimeError, "this request was made by a function of the BEAM that Python waits for without "
                                        "await: it cannot await anything itself (use erlang.call_async)");
    return false;
}

bool event_tasks_begin(struct context *context, PyObject *value, PyMethodDef *on_done)
{
    if (!can_await(value))
        return false;
    bool streams = context->job->request.operation == OPERATION_stream;
    PyObject *callback = PyCFunction_New(on_done, (PyObject *)context);
    PyObject *begun = NULL;
    if (callback != NULL && (!streams || stream_attach(context) == 0))
        begun = PyObject_CallMethod(module, "begin", "OOiO", context, value, streams, callback);
    Py_XDECREF(callback);
    if (begun == NULL) {
        if (streams)
            stream_detach(context);
        return false;
    }
    Py_DECREF(value);
    Py_DECREF(begun);
    return true;
}

/* -- the ends of tasks -------------------------------------------------------------------------------------------- */

void event_tasks_end(struct context *context, PyObject *task)
{
    struct job *job = context->job;
    if (PyDict_DelItem(tasks, (PyObject *)context) < 0)
        PyErr_Clear();
    stream_detach(context);
    struct context *before = context_switch(context);
    PyObject *value = PyObject_CallMethod(task, "result", NULL);
    /* A task that was cancelled because of its job's abort ends with that abort's exception. */
    if (value == NULL && PyErr_ExceptionMatches(CancelledError))
        interrupt_replace_error(job);
    reply_end(context, value);
    context_restore(before);
}

static bool take_abort(struct job *job)
{
    session_lock();
    bool due = job_take_abort(job) != JOB_ABORT_NONE;
    session_unlock();
    return due;
}

void event_tasks_cancel_aborted(void)
{
    PyObject *contexts = PyDict_Keys(tasks);
    for (Py_ssize_t i = 0; contexts != NULL && i < PyList_Size(contexts); i++) {
        struct context *context = (struct context *)PyList_GetItem(contexts, i);
        if (context->job == NULL || !take_abort(context->job))
            continue;
        PyObject *done = PyObject_CallMethod(module, "cancel", "O", context);
        Py_XDECREF(done);
        PyErr_Clear();
    }
    PyErr_Clear();
    Py_XDECREF(contexts);
}

/* Has each task end with the shutdown of the session. */
void event_tasks_stop(void)
{
    session_lock();
    for (struct job *job = session.jobs.active.first; job != NULL; job = job->next)
        if (job->state == JOB_TASK)
            job_stop(job);
    session_unlock();
}

/* Ends the jobs whose task did not end when it was cancelled. */
void event_tasks_end_left(void)
{
    PyObject *contexts = PyDict_Keys(tasks);
    for (Py_ssize_t i = 0; contexts != NULL && i < PyList_Size(contexts); i++) {
        struct context *context = (struct context *)PyList_GetItem(contexts, i);
        if (context->job == NULL)
            continue;
        stream_detach(context);
        struct context *before = context_switch(context);
        interrupt_set_shutdown(INTERRUPT_ENDED);
        reply_end(context, NULL);
        context_restore(before);
    }
    PyErr_Clear();
    Py_XDECREF(contexts);
}
