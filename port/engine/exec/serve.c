#include "exec/serve.h"

#include "exec/event_loop.h"
#include "exec/execute.h"
#include "exec/stream.h"
#include "python/context.h"
#include "python/interrupt.h"

/* True where somebody else ends it: value and owner are theirs then. */
static bool hand_over(struct run *run, PyObject *value)
{
    if (loop_takes(run, value))
        return loop_begin(run, value);
    return run->request->operation == OPERATION_stream && stream_begin(run, value);
}

/* Takes the reference to the owner over. */
static void run_for(struct context *owner, struct reply *reply)
{
    struct run run = run_begin(owner);
    interrupt_enter_thread(owner->job);
    PyObject *value = run_value(&run);
    if (value != NULL && hand_over(&run, value))
        return;
    if (PyErr_Occurred())
        Py_CLEAR(value);
    reply_make(reply, &run, value);
    Py_DECREF((PyObject *)owner);
}

void serve_run(struct job *job, struct reply *reply)
{
    struct context *owner = context_new(job);
    reply->job = NULL;
    if (owner != NULL && context_enter(owner) == 0) {
        run_for(owner, reply);
        /* One that others carry on has not ended, but nothing of it runs here now. */
        if (reply->job == NULL)
            (void)context_enter(NULL);
    } else {
        Py_XDECREF((PyObject *)owner);
        reply_make_error(reply, job, "there is no memory for the request");
    }
    PyErr_Clear();
}

void serve_flight(struct job *job)
{
    struct reply reply = {0};
    struct context *before = context_current();
    serve_run(job, &reply);
    context_restore(before);
    reply_send_now(&reply);
    loop_run();
}
