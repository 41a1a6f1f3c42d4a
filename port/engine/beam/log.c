#include "beam/log.h"

#include <stdio.h>

#include "codec/encode.h"
#include "os/std_fds.h"
#include "python/context.h"
#include "python/emit.h"
#include "python/interrupt.h"
#include "queue/session.h"
#include "wire/message.h"
#include "wire/protocol.h"

/* Appends a pair of an `extra` map. Returns false, with nothing appended, if either has no form. */
static bool put_pair(struct message *message, PyObject *name, PyObject *value)
{
    size_t before = message->length;
    if (encode_object(message, name, "extra") == 0 && encode_object(message, value, "extra") == 0)
        return true;
    interrupt_clear_error();
    message_cut(message, before);
    return false;
}

/* Appends what code gave as `extra`, without what has no form. */
static void put_extra(struct message *message, PyObject *extra)
{
    Py_ssize_t position = 0;
    PyObject *name, *value;
    message_put_map(message, 0);
    size_t count_at = message->length - sizeof(uint32_t);
    uint32_t count = 0;
    while (PyDict_Next(extra, &position, &name, &value))
        count += put_pair(message, name, value);
    message_patch_length(message, count_at, count);
}

/* Appends the fields, within the session's limit. Returns 0, or -1 with an error set. */
static int put_fields(struct message *message, PyObject *fields)
{
    Py_ssize_t position = 0;
    PyObject *name, *value;
    if (session.max_result > 0)
        message_set_limit(message, session.max_result);
    message_put_map(message, (uint32_t)PyDict_Size(fields));
    while (PyDict_Next(fields, &position, &name, &value)) {
        const char *key = PyUnicode_AsUTF8AndSize(name, NULL);
        if (key == NULL || encode_name(message, name) < 0)
            return -1;
        if (PyDict_Check(value))
            put_extra(message, value);
        else if (encode_object(message, value, key) < 0)
            return -1;
    }
    message_lift_limit(message);
    return 0;
}

/* The stream is the parent's: a forked child's records go to the port's stderr. */
static PyObject *log_in_child(PyObject *fields)
{
    PyObject *text = PyDict_GetItemString(fields, "message");
    if (text != NULL && PyBytes_Check(text))
        fprintf(stderr, "%s\n", PyBytes_AsString(text));
    Py_RETURN_NONE;
}

PyObject *log_send_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *level, *fields;
    struct message message = {.whole = true};
    if (!PyArg_ParseTuple(arguments, "UO!", &level, &PyDict_Type, &fields))
        return NULL;
    if (std_fds_forked())
        return log_in_child(fields);
    struct context *context = context_current();
    message_begin(&message);
    message_put_tuple(&message, 4);
    message_put_atom_text(&message, PROTOCOL_LOG);
    context_put_id(&message, context);
    Py_XDECREF((PyObject *)context);
    int failed = encode_name(&message, level) < 0 ? -1 : put_fields(&message, fields);
    if (failed) {
        message_free(&message);
        return NULL;
    }
    (void)emit_and_free(&message);
    Py_RETURN_NONE;
}
