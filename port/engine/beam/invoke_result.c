#include "beam/invoke_result.h"

#include "codec/decode.h"
#include "codec/types.h"
#include "python/interrupt.h"
#include "wire/protocol.h"

static PyObject *Error;

int invoke_result_start(PyObject *module)
{
    Error = PyErr_NewExceptionWithDoc(
        "erlang.Error", "What a function of the BEAM raised: kind, type, message, stacktrace, reason.", NULL, NULL);
    return Error == NULL ? -1 : PyModule_AddObjectRef(module, "Error", Error);
}

static void set_field(PyObject *error, PyObject *reason, const char *name)
{
    PyObject *value = PyDict_Check(reason) ? PyDict_GetItemString(reason, name) : NULL;
    if (PyObject_SetAttrString(error, name, value == NULL ? Py_None : value) < 0)
        interrupt_clear_error();
}

/* Adds the BEAM's own trace below Python's (PEP 678). */
static void add_stacktrace(PyObject *error, PyObject *reason)
{
    PyObject *trace = PyDict_Check(reason) ? PyDict_GetItemString(reason, "stacktrace") : NULL;
    PyObject *done = trace == NULL || !PyUnicode_Check(trace) || PyUnicode_GetLength(trace) == 0
                         ? NULL
                         : PyObject_CallMethod(error, "add_note", "O", trace);
    if (done == NULL)
        interrupt_clear_error();
    Py_XDECREF(done);
}

static void raise_reason(PyObject *reason)
{
    PyObject *text = PyDict_Check(reason) ? PyDict_GetItemString(reason, "message") : NULL;
    text = text == NULL ? PyObject_Repr(reason) : Py_NewRef(text);
    PyObject *error = text == NULL ? NULL : PyObject_CallFunctionObjArgs(Error, text, NULL);
    Py_XDECREF(text);
    if (error == NULL)
        return;
    set_field(error, reason, "kind");
    set_field(error, reason, "type");
    set_field(error, reason, "message");
    set_field(error, reason, "stacktrace");
    if (PyObject_SetAttrString(error, "reason", reason) < 0)
        interrupt_clear_error();
    add_stacktrace(error, reason);
    PyErr_SetObject(Error, error);
    Py_DECREF(error);
}

/* Returns a new reference to the value of {ok, Value}; NULL with an error set. */
static PyObject *read_outcome(struct request *answer)
{
    struct decoder decoder = decoder_of(answer->arguments, false);
    decoder.request = answer;
    PyObject *outcome = decode_term(&decoder, "reply");
    if (outcome == NULL)
        return NULL;
    PyObject *value = NULL;
    bool pair = PyTuple_Check(outcome) && PyTuple_Size(outcome) == 2 && types_is_atom(PyTuple_GetItem(outcome, 0));
    if (pair && PyUnicode_CompareWithASCIIString(PyTuple_GetItem(outcome, 0), PROTOCOL_OK) == 0)
        value = Py_NewRef(PyTuple_GetItem(outcome, 1));
    else
        raise_reason(pair ? PyTuple_GetItem(outcome, 1) : outcome);
    Py_DECREF(outcome);
    return value;
}

/* Raises an erlang.Error as if the BEAM had answered with one. */
static void raise_refusal(const char *text)
{
    PyObject *reason = Py_BuildValue("{s:s,s:s}", "kind", PROTOCOL_BAD_REQUEST, "message", text);
    if (reason != NULL)
        raise_reason(reason);
    Py_XDECREF(reason);
}

PyObject *invoke_result_take(struct invocation *call)
{
    PyObject *value = NULL;
    if (call->refused[0] != '\0')
        raise_refusal(call->refused);
    else
        value = read_outcome(&call->answer);
    Py_XDECREF((PyObject *)call->answer.keeper);
    request_free(&call->answer);
    return value;
}
