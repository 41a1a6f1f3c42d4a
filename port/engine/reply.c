#include "reply.h"

#include <stdio.h>
#include <unistd.h>

#include "descriptors.h"
#include "engine_api.h"
#include "interrupt.h"
#include "protocol.h"

static struct writer *reply_writer;

void reply_start(struct writer *writer)
{
    reply_writer = writer;
}

/* Code that forked and came back here is a child without a session: the parent goes on with it. */
static void leave_if_forked(void)
{
    if (descriptors_forked())
        _exit(ENGINE_EXIT_OK);
}

void reply_make(struct reply *reply, struct run *run, PyObject *value)
{
    struct flight *flight = run->owner->flight;
    interrupt_leave_thread(flight);
    reply->timing = run->options.timing;
    reply->replies = run_reply(run, value, &reply->message);
    reply->flight = flight;
    leave_if_forked();
    flight_end(flight);
    owner_leave(run->owner);
}

void reply_make_error(struct reply *reply, struct flight *flight, const char *text)
{
    flight->failed = true;
    reply->flight = flight;
    reply->timing = false;
    message_begin(&reply->message);
    request_put_error(&reply->message, flight->request.id, PROTOCOL_EXCEPTION, text);
    reply->replies = message_finish(&reply->message) == MESSAGE_OK;
    flight_end(flight);
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
    writer_send_and_free(reply_writer, &message);
}

void reply_send(struct reply *reply)
{
    if (reply->flight == NULL || !reply->replies)
        return;
    if (reply->timing)
        send_timing(reply->flight);
    writer_send(reply_writer, &reply->message);
}

bool reply_holds_objects(const struct reply *reply)
{
    return reply->flight != NULL && (reply->message.pin_count > 0 || reply->flight->request.keeper != NULL);
}

void reply_sent(struct reply *reply)
{
    if (reply->flight == NULL)
        return;
    if (reply_holds_objects(reply)) {
        message_release_pins(&reply->message);
        Py_XDECREF((PyObject *)reply->flight->request.keeper);
    }
    flight_free(reply->flight);
    reply->flight = NULL;
}

void reply_send_now(struct reply *reply)
{
    PyThreadState *thread = PyEval_SaveThread();
    reply_send(reply);
    PyEval_RestoreThread(thread);
    reply_sent(reply);
    message_free(&reply->message);
}

void reply_end(struct run *run, PyObject *value)
{
    struct reply reply = {0};
    struct owner *owner = run->owner;
    reply_make(&reply, run, value);
    Py_DECREF((PyObject *)owner);
    reply_send_now(&reply);
}

void reply_verdict(struct flight *flight)
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
    writer_send_and_free(reply_writer, &message);
    flight_free(flight);
}
