#include "beam/invoke_async.h"

#include <stdlib.h>

#include "beam/beam_events.h"
#include "beam/invoke_result.h"
#include "exec/invoke_table.h"
#include "python/errors.h"
#include "python/interrupt.h"

static void free_invocation(struct invocation *invocation)
{
    invoke_table_remove(invocation);
    Py_DECREF(invocation->future);
    request_free(&invocation->answer);
    free(invocation);
}

PyObject *invoke_async_begin_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *future, *target, *args;
    if (!PyArg_ParseTuple(arguments, "OOO!", &future, &target, &PyList_Type, &args))
        return NULL;
    if (beam_events_refuse_in_child() < 0)
        return NULL;
    struct invocation *invocation = calloc(1, sizeof *invocation);
    if (invocation == NULL)
        return PyErr_NoMemory();
    invocation->waiter = WAITER_TASK;
    invocation->future = Py_NewRef(future);
    invoke_table_add(invocation);
    unsigned long long number = invocation->number;
    if (beam_events_invoke(number, target, args) == 0)
        Py_RETURN_NONE;
    free_invocation(invocation);
    return NULL;
}

PyObject *invoke_async_abandon_function(PyObject *self, PyObject *future)
{
    (void)self;
    struct invocation *invocation = invoke_table_find_task(future);
    if (invocation != NULL) {
        unsigned long long number = invocation->number;
        free_invocation(invocation);
        beam_events_abandon(number);
    }
    Py_RETURN_NONE;
}

/* Returns a new reference to the value, or NULL with an error set. */
static PyObject *take_result(struct invocation *invocation)
{
    if (invocation->answered)
        return invoke_result_take(invocation);
    interrupt_set_shutdown("the input ended while this waited for the BEAM");
    return NULL;
}

static void resolve(struct invocation *invocation)
{
    PyObject *future = Py_NewRef(invocation->future), *done = NULL;
    PyObject *value = take_result(invocation);
    PyObject *error = value == NULL ? errors_take() : NULL;
    free_invocation(invocation);
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
    struct invocation *invocation;
    while ((invocation = invoke_table_find_resolved_task()) != NULL)
        resolve(invocation);
}
