/* Builds error replies. If anything fails on the way (no memory, a str() that raises) the reply is still sent, with
 * less in it. */
#include "exec/error_reply.h"

#include "exec/compile.h"
#include "python/errors.h"
#include "python/lossy_text.h"
#include "wire/protocol.h"
#include "wire/request.h"

static void put_text_field(struct message *message, const char *key, PyObject *text)
{
    message_put_atom_text(message, key);
    lossy_text_put(message, text, "");
}

static void put_described(struct message *message, struct span id, const char *kind, PyObject *description)
{
    request_begin_error(message, id, kind, 3);
    put_text_field(message, "message", PyTuple_GetItem(description, 0));
    put_text_field(message, "type", PyTuple_GetItem(description, 1));
    put_text_field(message, "traceback", PyTuple_GetItem(description, 2));
}

void error_reply_put(struct message *message, struct span id, const char *kind)
{
    PyObject *exception = errors_take();
    PyObject *traces = compile_tracebacks();
    PyObject *description = NULL;
    if (exception != NULL && traces != NULL)
        description = PyObject_CallMethod(traces, "describe", "O", exception);
    if (description != NULL && PyTuple_Check(description) && PyTuple_Size(description) == 3)
        put_described(message, id, kind, description);
    else
        request_put_error(message, id, kind, "an exception that could not be described");
    PyErr_Clear();
    Py_XDECREF(description);
    Py_XDECREF(exception);
}

/* An invalid request has no traceback; an exception of Python code has one. */
void error_reply_put_refusal(struct message *message, struct span id, const char *kind)
{
    PyObject *exception = errors_take();
    PyObject *text = exception == NULL ? NULL : PyObject_Str(exception);
    long long byte = errors_byte_of(exception);
    request_begin_error(message, id, kind, byte < 0 ? 1 : 2);
    put_text_field(message, "message", text);
    if (byte >= 0) {
        message_put_atom_text(message, "byte");
        message_put_integer(message, byte);
    }
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(exception);
}
