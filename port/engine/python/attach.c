/* A debugger writes its wish into the memory of the process and sends no signal. The eval loop notices the wish at its
 * next bytecode; an idle main thread runs none, so it is woken from time to time, for a call of a Python function. */
#include "python/attach.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "python/embedded.h"
#include "python/py_api.h"
#include "queue/session.h"

/* How often an idle session looks, in milliseconds. */
#define LOOK_MS 1000

/* Not in the stable ABI, so they are looked up. Py_RunMain calls them; a session runs without it. */
typedef int set_running_main(PyInterpreterState *interpreter);
typedef void set_not_running_main(PyInterpreterState *interpreter);

static PyObject *rest; /* the function that the idle main thread calls; NULL if debuggers cannot attach */

/* False before CPython 3.14, and if it was built or started without that (PYTHON_DISABLE_REMOTE_DEBUG). */
static bool is_allowed(void)
{
    PyObject *function = PySys_GetObject("is_remote_debug_enabled");
    PyObject *allowed = function == NULL ? NULL : PyObject_CallFunctionObjArgs(function, NULL);
    bool is = allowed != NULL && Py_IsTrue(allowed);
    Py_XDECREF(allowed);
    return is;
}

/* Without debuggers only tests have a session look. */
static int find_look_ms(void)
{
#ifdef PYTHONX_SCHEDULES
    const char *text = getenv("PYTHONX_SCHEDULE_LOOK_MS");
    if (text != NULL)
        return (int)strtol(text, NULL, 10);
#endif
    return rest == NULL ? -1 : LOOK_MS;
}

void attach_start(void)
{
    set_running_main *set = (set_running_main *)(uintptr_t)dlsym(RTLD_DEFAULT, "_PyInterpreterState_SetRunningMain");
    if (is_allowed() && set != NULL && set(PyInterpreterState_Get()) == 0) {
        PyObject *module = embedded_load("attach");
        rest = module == NULL ? NULL : PyObject_GetAttrString(module, "rest");
        Py_XDECREF(module);
    }
    PyErr_Clear();
    session.attach_look_ms = find_look_ms();
}

void attach_look(void)
{
    PyObject *done = rest == NULL ? Py_NewRef(Py_None) : PyObject_CallFunctionObjArgs(rest, NULL);
    if (done == NULL)
        PyErr_WriteUnraisable(rest);
    Py_XDECREF(done);
}

void attach_stop(void)
{
    set_not_running_main *set =
        (set_not_running_main *)(uintptr_t)dlsym(RTLD_DEFAULT, "_PyInterpreterState_SetNotRunningMain");
    if (rest != NULL && set != NULL)
        set(PyInterpreterState_Get());
    Py_CLEAR(rest);
}
