/* Calls typed.py, which is loaded for the first request that names types. */
#include "codec/typed.h"

#include "python/embedded.h"
#include "python/lossy_text.h"
#include "python/type_name.h"
#include "wire/protocol.h"

static PyObject *call(const char *function, PyObject *argument)
{
    PyObject *module = embedded_load("typed");
    PyObject *result = module == NULL ? NULL : PyObject_CallMethod(module, function, "(O)", argument);
    Py_XDECREF(module);
    return result;
}

PyObject *typed_types(PyObject *names)
{
    return call("types_of", names);
}

PyObject *typed_find(PyObject *types, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject *address = PyLong_FromVoidPtr(type);
    PyObject *name = address == NULL ? NULL : Py_XNewRef(PyDict_GetItemWithError(types, address));
    Py_XDECREF(address);
    if (name == NULL && !PyErr_Occurred())
        name = PyObject_CallMethod(types, "find", "(O)", (PyObject *)type);
    if (name != NULL && Py_IsNone(name))
        Py_CLEAR(name);
    return name;
}

int typed_put_head(struct message *message, PyObject *name, PyObject *object)
{
    PyObject *type = type_name_of(object, "builtins");
    if (type == NULL)
        return -1;
    message_put_tuple(message, 4);
    message_put_atom_text(message, PROTOCOL_OBJECT);
    lossy_text_put(message, name, "?");
    lossy_text_put(message, type, "?");
    Py_DECREF(type);
    return 0;
}

PyObject *typed_fields(PyObject *object)
{
    return call("fields", object);
}
