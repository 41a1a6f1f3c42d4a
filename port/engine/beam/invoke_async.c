/* Calls that a task awaits: their answers go to a future of the event loop. */
#include "exec/invoke_table.h"

#include <stdlib.h>

#include "beam/beam_events.h"
#include "beam/invoke.h"
#include "beam/invoke_result.h"
#include "python/errors.h"

static void free_call(struct invocation *call)
{
    invoke_table_remove(call);
    Py_DECREF(call->future);
    request_free(&call->answer);
    free(call);
}

PyObject *invoke_async_begin_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *future, *target, *args;
    if (!PyArg_ParseTuple(arguments, "OOO!", &future, &target, &PyList_Type, &args))
        return NULL;
    struct invocation *call = calloc(1, sizeof *call);
    if (call == NULL)
        return PyErr_NoMemory();
    call->waiter = WAITER_TASK;
    call->future = Py_NewRef(future);
    invoke_table_add(call);
    unsigned long long number = call->number;
    if (beam_events_invoke(number, target, args) == 0)
        Py_RETURN_NONE;
    free_call(call);
    return NULL;
}

PyObject *invoke_async_abandon_function(PyObject *self, PyObject *future)
{
    (void)self;
    struct invocation *call = invoke_table_find_task(future);
    if (call != NULL) {
        unsigned long long number = call->number;
        free_call(call);
        beam_events_abandon(number);
    }
    Py_RETURN_NONE;
}

static void resolve(struct invocation *call)
{
    PyObject *future = Py_NewRef(call->future), *done = NULL;
    PyObject *value = invoke_result_take(call);
    PyObject *error = value == NULL ? errors_take() : NULL;
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

void invoke_async_resolve(void)
{
    struct invocation *call;
    while ((call = invoke_table_find_answered_task()) != NULL)
        resolve(call);
}
