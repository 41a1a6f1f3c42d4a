/* Calls that a task awaits: their answers go to a future of the event loop. */
#include "call_list.h"

#include <stdlib.h>

#include "answer.h"
#include "calls.h"
#include "exception.h"
#include "invoke.h"

static void free_call(struct call *call)
{
    call_list_remove(call);
    Py_DECREF(call->future);
    request_free(&call->answer);
    free(call);
}

PyObject *calls_begin_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *future, *target, *args;
    if (!PyArg_ParseTuple(arguments, "OOO!", &future, &target, &PyList_Type, &args))
        return NULL;
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return PyErr_NoMemory();
    call->waiter = WAITER_TASK;
    call->future = Py_NewRef(future);
    call_list_add(call);
    unsigned long long number = call->number;
    if (invoke_send(number, target, args) == 0)
        Py_RETURN_NONE;
    free_call(call);
    return NULL;
}

PyObject *calls_abandon_function(PyObject *self, PyObject *future)
{
    (void)self;
    struct call *call = call_list_find_task(future);
    if (call != NULL) {
        unsigned long long number = call->number;
        free_call(call);
        invoke_abandon(number);
    }
    Py_RETURN_NONE;
}

static void resolve(struct call *call)
{
    PyObject *future = Py_NewRef(call->future), *done = NULL;
    PyObject *value = answer_take(&call->answer);
    PyObject *error = value == NULL ? exception_take() : NULL;
    free_call(call);
    PyObject *over = PyObject_CallMethod(future, "done", NULL);
    if (over != NULL && !Py_IsTrue(over))
        done = value != NULL ? PyObject_CallMethod(future, "set_result", "O", value)
                             : PyObject_CallMethod(future, "set_exception", "O", error);
    PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(over);
    Py_XDECREF(error);
    Py_XDECREF(value);
    Py_DECREF(future);
}

void calls_resolve(void)
{
    struct call *call;
    while ((call = call_list_find_answered_task()) != NULL)
        resolve(call);
}
