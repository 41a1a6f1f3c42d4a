#include "serve.h"

#include <stdio.h>
#include <unistd.h>

#include "descriptors.h"
#include "engine_api.h"
#include "interrupt.h"
#include "loop.h"
#include "protocol.h"
#include "stream.h"

static struct writer *serve_writer;

void serve_start(struct writer *writer)
{
    serve_writer = writer;
}

/* Code that forked and came back here is a child without a session: the parent goes on with it. */
static void leave_if_forked(void)
{
    if (descriptors_forked())
        _exit(ENGINE_EXIT_OK);
}

static void reply(struct run *run, PyObject *value, struct served *served)
{
    struct flight *flight = run->owner->flight;
    interrupt_leave_thread(flight);
    served->timing = run->options.timing;
    served->replies = run_reply(run, value, &served->reply);
    served->flight = flight;
    leave_if_forked();
    flight_end(flight);
    owner_leave(run->owner);
}

/* True where somebody else ends it: value and owner are theirs then. */
static bool hand_over(struct run *run, PyObject *value)
{
    if (loop_takes(run, value))
        return loop_begin(run, value);
    return run->request->operation == OPERATION_stream && stream_begin(run, value);
}

void serve_run(struct flight *flight, struct served *served)
{
    served->flight = NULL;
    struct owner *before = owner_of_this();
    struct owner *owner = owner_new(flight);
    if (owner == NULL || owner_enter(owner) < 0) {
        /* No memory even for this: the request is given up without a trace of Python. */
        PyErr_Clear();
        Py_XDECREF((PyObject *)owner);
        served->replies = false;
        served->flight = flight;
        flight_end(flight);
        Py_XDECREF((PyObject *)before);
        return;
    }
    struct run run = run_begin(owner);
    interrupt_enter_thread(flight);
    PyObject *value = run_value(&run);
    if (value == NULL || !hand_over(&run, value)) {
        if (PyErr_Occurred())
            Py_CLEAR(value);
        reply(&run, value, served);
        Py_DECREF((PyObject *)owner);
    }
    (void)owner_enter(before);
    PyErr_Clear();
    Py_XDECREF((PyObject *)before);
}

static void send_timing(const struct flight *flight)
{
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 4);
    message_put_atom_text(&message, PROTOCOL_TIMING);
    request_put_id(&message, flight->request.id);
    message_put_unsigned(&message, flight->started_us - flight->read_us);
    message_put_unsigned(&message, flight->ended_us - flight->started_us);
    if (message_finish(&message) == MESSAGE_OK)
        writer_send(serve_writer, &message);
    message_free(&message);
}

void serve_send(struct served *served)
{
    if (served->flight == NULL || !served->replies)
        return;
    if (served->timing)
        send_timing(served->flight);
    writer_send(serve_writer, &served->reply);
}

bool serve_holds_objects(const struct served *served)
{
    return served->flight != NULL && (served->reply.pin_count > 0 || served->flight->request.keeper != NULL);
}

void serve_sent(struct served *served)
{
    if (served->flight == NULL)
        return;
    if (serve_holds_objects(served)) {
        message_release_pins(&served->reply);
        Py_XDECREF((PyObject *)served->flight->request.keeper);
    }
    flight_free(served->flight);
    served->flight = NULL;
}

static void send_now(struct served *served)
{
    PyThreadState *thread = PyEval_SaveThread();
    serve_send(served);
    PyEval_RestoreThread(thread);
    serve_sent(served);
    message_free(&served->reply);
}

void serve_flight(struct flight *flight)
{
    struct served served = {0};
    serve_run(flight, &served);
    send_now(&served);
    loop_run();
}

void serve_end(struct run *run, PyObject *value)
{
    struct served served = {0};
    struct owner *owner = run->owner;
    reply(run, value, &served);
    Py_DECREF((PyObject *)owner);
    send_now(&served);
}

void serve_verdict(struct flight *flight)
{
    struct message message = {0};
    char text[96];
    bool late = flight->verdict == FLIGHT_TIMED_OUT;
    flight->failed = true;
    flight_end(flight);
    if (late)
        snprintf(text, sizeof text, "the request waited longer than its timeout of %llu ms, and did not run",
                 flight->request.timeout_ms);
    message_begin(&message);
    request_put_error(&message, flight->request.id, late ? PROTOCOL_TIMEOUT : PROTOCOL_CANCELLED,
                      late ? text : "the request was cancelled before it ran");
    if (message_finish(&message) == MESSAGE_OK)
        writer_send(serve_writer, &message);
    message_free(&message);
    flight_free(flight);
}
