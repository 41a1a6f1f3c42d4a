#include "beam/beam_events.h"

#include "codec/encode.h"
#include "codec/types.h"
#include "os/std_fds.h"
#include "python/context.h"
#include "python/emit.h"
#include "python/errors.h"
#include "queue/session.h"
#include "wire/message.h"
#include "wire/protocol.h"

int beam_events_refuse_in_child(void)
{
    if (!std_fds_forked())
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "a forked child has no connection to the BEAM");
    return -1;
}

/* Finishes and sends the message. Returns 0, or -1 with an error set. */
static int send_message(struct message *message)
{
    if (beam_events_refuse_in_child() < 0) {
        message_free(message);
        return -1;
    }
    enum message_status status = message_finish(message);
    if (status == MESSAGE_OK) {
        emit_message(message);
    } else if (status == MESSAGE_TOO_LONG) {
        PyErr_SetString(errors_EncodeError, "what is sent takes more than 4 GiB, the most that can be");
    } else {
        PyErr_NoMemory();
    }
    message_free(message);
    return status == MESSAGE_OK ? 0 : -1;
}

static void put_call_id(struct message *message, unsigned long long number)
{
    struct context *context = context_current();
    message_put_tuple(message, 2);
    message_put_unsigned(message, number);
    context_put_id(message, context);
    Py_XDECREF((PyObject *)context);
}

int beam_events_invoke(unsigned long long number, PyObject *target, PyObject *arguments)
{
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 4);
    message_put_atom_text(&message, PROTOCOL_INVOKE);
    put_call_id(&message, number);
    if (encode_object_within(&message, target, "target", session.max_result) < 0 ||
        encode_object_within(&message, arguments, "args", session.max_result) < 0) {
        message_free(&message);
        return -1;
    }
    return send_message(&message);
}

void beam_events_abandon(unsigned long long number)
{
    struct message message = {0};
    PyObject *current = errors_take();
    message_begin(&message);
    message_put_tuple(&message, 2);
    message_put_atom_text(&message, PROTOCOL_ABANDONED);
    put_call_id(&message, number);
    (void)send_message(&message);
    if (current != NULL)
        errors_set(current);
}

PyObject *beam_events_send_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *destination, *term;
    struct message message = {0};
    if (!PyArg_ParseTuple(arguments, "OO:send", &destination, &term))
        return NULL;
    if (!PyUnicode_Check(destination) && !types_is_pid(destination)) {
        PyErr_SetString(PyExc_TypeError, "send() takes an erlang.Pid, or the name of a process, first");
        return NULL;
    }
    message_begin(&message);
    message_put_tuple(&message, 3);
    message_put_atom_text(&message, PROTOCOL_SEND);
    if (encode_object_within(&message, destination, "dest", session.max_result) < 0 ||
        encode_object_within(&message, term, "term", session.max_result) < 0) {
        message_free(&message);
        return NULL;
    }
    if (send_message(&message) < 0)
        return NULL;
    Py_RETURN_NONE;
}
