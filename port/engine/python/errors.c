/* Takes and sets Python's current error; makes the engine's exceptions. */
#include "python/errors.h"

PyObject *errors_DecodeError, *errors_EncodeError, *errors_BadRequest;

int errors_start(PyObject *module)
{
    errors_DecodeError =
        PyErr_NewExceptionWithDoc("erlang.DecodeError", "A term that has no Python object.", PyExc_ValueError, NULL);
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

void errors_set(PyObject *exception)
{
    PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_DECREF(exception);
}
