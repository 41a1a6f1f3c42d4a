/* Keeps the context variable in a module of the interpreter: the stable ABI has no functions for it. */
#include "python/context.h"

#include <stdint.h>
#include <stdlib.h>

static PyObject *context_type;
static PyObject *variable_get, *variable_set;

struct context *(*context_of_task)(void);

static void context_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    struct context *context = (struct context *)object;
    Py_CLEAR(context->options.place.file);
    free(context->text[0].bytes);
    free(context->text[1].bytes);
    free_object(object);
    Py_DECREF(type);
}

static PyObject *make_type(void)
{
    PyType_Slot slots[] = {{Py_tp_dealloc, (void *)context_dealloc},
                           {Py_tp_doc, (void *)(uintptr_t) "A request of the session."},
                           {0, NULL}};
    PyType_Spec spec = {.name = "erlang.Request",
                        .basicsize = sizeof(struct context),
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

int context_start(PyObject *module)
{
    PyObject *variable = make_variable();
    if (variable == NULL)
        return -1;
    int result = -1;
    context_type = make_type();
    variable_get = PyObject_GetAttrString(variable, "get");
    variable_set = PyObject_GetAttrString(variable, "set");
    if (context_type != NULL && variable_get != NULL && variable_set != NULL)
        result = PyModule_AddObjectRef(module, "context", variable);
    Py_DECREF(variable);
    return result;
}

struct context *context_new(struct job *job)
{
    struct context *context = (struct context *)PyType_GenericAlloc((PyTypeObject *)context_type, 0);
    if (context == NULL)
        return NULL;
    context->job = job;
    context->arguments = job->request.arguments;
    job->context = context;
    return context;
}

void context_detach(struct context *context)
{
    if (context->job != NULL)
        context->job->context = NULL;
    context->job = NULL;
    context->abortable = false;
}

int context_enter(struct context *context)
{
    PyObject *value = context == NULL ? Py_None : (PyObject *)context;
    PyObject *token = PyObject_CallFunctionObjArgs(variable_set, value, NULL);
    Py_XDECREF(token);
    return token == NULL ? -1 : 0;
}

/* Returns a new reference to the variable's value if that is a context; else NULL. */
static struct context *get_held_context(void)
{
    /* There was no request before the variable existed. */
    PyObject *value = variable_get == NULL ? NULL : PyObject_CallFunctionObjArgs(variable_get, Py_None, NULL);
    if (value != NULL && (PyObject *)Py_TYPE(value) == context_type)
        return (struct context *)value;
    PyErr_Clear();
    Py_XDECREF(value);
    return NULL;
}

struct context *context_current(void)
{
    struct context *context = get_held_context();
    if (context != NULL && context->job != NULL)
        return context;
    struct job *job = job_top();
    if (job != NULL && job->context != NULL && !job_is_covered(job)) {
        Py_INCREF((PyObject *)job->context);
        Py_XDECREF((PyObject *)context);
        return job->context;
    }
    struct context *of_task = context_of_task == NULL ? NULL : context_of_task();
    if (of_task == NULL)
        return context;
    Py_XDECREF((PyObject *)context);
    return of_task;
}

struct context *context_switch(struct context *context)
{
    struct context *before = get_held_context();
    (void)context_enter(context);
    PyErr_Clear();
    return before;
}

void context_restore(struct context *before)
{
    (void)context_enter(before);
    PyErr_Clear();
    Py_XDECREF((PyObject *)before);
}

void context_put_id(struct message *message, const struct context *context)
{
    struct span id = {0};
    if (context != NULL && context->job != NULL)
        id = context->job->request.id;
    request_put_id(message, id);
}
