/* Takes and sets Python's current error; makes the engine's exceptions. */
#include "python/errors.h"

PyObject *errors_DecodeError, *errors_EncodeError, *errors_BadRequest;

#define BYTE "byte"

static PyObject *make_decode_error(void)
{
    PyObject *attributes = Py_BuildValue("{sO}", BYTE, Py_None), *type = NULL;
    if (attributes != NULL)
        type = PyErr_NewExceptionWithDoc("erlang.DecodeError", "A term that has no Python object.", PyExc_ValueError,
                                         attributes);
    Py_XDECREF(attributes);
    return type;
}

int errors_start(PyObject *module)
{
    errors_DecodeError = make_decode_error();
    errors_EncodeError =
        PyErr_NewExceptionWithDoc("erlang.EncodeError", "An object that has no Erlang term.", PyExc_ValueError, NULL);
    errors_BadRequest = PyErr_NewException("erlang.BadRequest", PyExc_ValueError, NULL);
    if (errors_DecodeError == NULL || errors_EncodeError == NULL || errors_BadRequest == NULL)
        return -1;
    if (PyModule_AddObjectRef(module, "DecodeError", errors_DecodeError) < 0)
        return -1;
    return PyModule_AddObjectRef(module, "EncodeError", errors_EncodeError);
}

PyObject *errors_take(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value != NULL && traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

/* Returns a new reference to the byte that an exception is about; NULL, with no error set, if it can have none. */
static PyObject *get_byte(PyObject *exception)
{
    PyObject *byte = NULL;
    if (exception != NULL && PyErr_GivenExceptionMatches(exception, errors_DecodeError))
        byte = PyObject_GetAttrString(exception, BYTE);
    if (byte == NULL)
        PyErr_Clear();
    return byte;
}

/* The reference to the byte is taken over. */
static void set_byte(PyObject *exception, PyObject *byte)
{
    if (exception == NULL)
        return;
    if (byte == NULL || PyObject_SetAttrString(exception, BYTE, byte) < 0)
        PyErr_Clear();
    Py_XDECREF(byte);
    errors_set(exception);
}

void errors_note_byte(size_t byte)
{
    PyObject *exception = errors_take();
    set_byte(exception, PyLong_FromSize_t(byte));
}

void errors_copy_byte(PyObject *exception)
{
    PyObject *current = errors_take();
    set_byte(current, get_byte(exception));
}

long long errors_byte_of(PyObject *exception)
{
    PyObject *byte = get_byte(exception);
    long long number = byte == NULL || !PyLong_Check(byte) ? -1 : PyLong_AsLongLong(byte);
    Py_XDECREF(byte);
    PyErr_Clear();
    return number;
}

void errors_set(PyObject *exception)
{
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
}
