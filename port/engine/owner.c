/* The context variable lies in a module of the interpreter: the stable ABI has no functions for it. */
#include "owner.h"

#include <stdint.h>
#include <stdlib.h>

static PyObject *owner_type;
static PyObject *variable_get, *variable_set;

static void owner_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    struct owner *owner = (struct owner *)object;
    free(owner->text[0].bytes);
    free(owner->text[1].bytes);
    free_object(object);
    Py_DECREF(type);
}

static PyObject *make_type(void)
{
    PyType_Slot slots[] = {{Py_tp_dealloc, (void *)owner_dealloc},
                           {Py_tp_doc, (void *)(uintptr_t) "A request of the session."},
                           {0, NULL}};
    PyType_Spec spec = {.name = "erlang.Request",
                        .basicsize = sizeof(struct owner),
                        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                        .slots = slots};
    return PyType_FromSpec(&spec);
}

static PyObject *make_variable(void)
{
    PyObject *module = PyImport_ImportModule("_contextvars");
    PyObject *type = module == NULL ? NULL : PyObject_GetAttrString(module, "ContextVar");
    PyObject *variable = type == NULL ? NULL : PyObject_CallFunction(type, "s", "erlang.request");
    Py_XDECREF(type);
    Py_XDECREF(module);
    return variable;
}

int owner_start(PyObject *module)
{
    PyObject *variable = make_variable();
    if (variable == NULL)
        return -1;
    int result = -1;
    owner_type = make_type();
    variable_get = PyObject_GetAttrString(variable, "get");
    variable_set = PyObject_GetAttrString(variable, "set");
    if (owner_type != NULL && variable_get != NULL && variable_set != NULL)
        result = PyModule_AddObjectRef(module, "owner", variable);
    Py_DECREF(variable);
    return result;
}

struct owner *owner_new(struct flight *flight)
{
    struct owner *owner = (struct owner *)PyType_GenericAlloc((PyTypeObject *)owner_type, 0);
    if (owner != NULL)
        owner->flight = flight;
    return owner;
}

void owner_leave(struct owner *owner)
{
    owner->flight = NULL;
    owner->interruptible = false;
}

int owner_enter(struct owner *owner)
{
    PyObject *value = owner == NULL ? Py_None : (PyObject *)owner;
    PyObject *token = PyObject_CallFunctionObjArgs(variable_set, value, NULL);
    Py_XDECREF(token);
    return token == NULL ? -1 : 0;
}

struct owner *owner_of_this(void)
{
    /* Before the variable there was nobody. */
    PyObject *value = variable_get == NULL ? NULL : PyObject_CallFunctionObjArgs(variable_get, Py_None, NULL);
    if (value != NULL && (PyObject *)Py_TYPE(value) == owner_type)
        return (struct owner *)value;
    PyErr_Clear();
    Py_XDECREF(value);
    return NULL;
}

struct owner *owner_instead(struct owner *owner)
{
    struct owner *before = owner_of_this();
    (void)owner_enter(owner);
    PyErr_Clear();
    return before;
}

void owner_back(struct owner *before)
{
    (void)owner_enter(before);
    PyErr_Clear();
    Py_XDECREF((PyObject *)before);
}

void owner_put_id(struct message *message, const struct owner *owner)
{
    struct span id = {0};
    if (owner != NULL && owner->flight != NULL)
        id = owner->flight->request.id;
    request_put_id(message, id);
}
