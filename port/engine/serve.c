#include "serve.h"

#include "interrupt.h"
#include "loop.h"
#include "owner.h"
#include "run.h"
#include "stream.h"

/* True where somebody else ends it: value and owner are theirs then. */
static bool hand_over(struct run *run, PyObject *value)
{
    if (loop_takes(run, value))
        return loop_begin(run, value);
    return run->request->operation == OPERATION_stream && stream_begin(run, value);
}

/* Takes the reference to the owner over. */
static void run_for(struct owner *owner, struct reply *reply)
{
    struct run run = run_begin(owner);
    interrupt_enter_thread(owner->flight);
    PyObject *value = run_value(&run);
    if (value != NULL && hand_over(&run, value))
        return;
    if (PyErr_Occurred())
        Py_CLEAR(value);
    reply_make(reply, &run, value);
    Py_DECREF((PyObject *)owner);
}

void serve_run(struct flight *flight, struct reply *reply)
{
    struct owner *owner = owner_new(flight);
    reply->flight = NULL;
    if (owner != NULL && owner_enter(owner) == 0) {
        run_for(owner, reply);
        /* One that others carry on has not ended, but nothing of it runs here now. */
        if (reply->flight == NULL)
            (void)owner_enter(NULL);
    } else {
        Py_XDECREF((PyObject *)owner);
        reply_make_error(reply, flight, "there is no memory for the request");
    }
    PyErr_Clear();
}

void serve_flight(struct flight *flight)
{
    struct reply reply = {0};
    struct owner *before = owner_of_this();
    serve_run(flight, &reply);
    owner_back(before);
    reply_send_now(&reply);
    loop_run();
}
