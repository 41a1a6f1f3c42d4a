/* Ends a forked child as the python program ends: its exit status, its traceback, its objects. */
#include "python/forked_child.h"

#include <stdio.h>
#include <unistd.h>

#include "os/exit_status.h"
#include "os/schedule.h"
#include "os/std_fds.h"
#include "python/errors.h"

/* That of python3 if it could not write what was buffered. */
#define EXIT_STATUS_LOST_OUTPUT 120

static void (*let_go_of_objects)(void);

void forked_child_start(void (*let_go)(void))
{
    let_go_of_objects = let_go;
}

/* Returns the status of a SystemExit, whose code may be None, a number, or a text that is printed. */
static int status_of_exit(PyObject *exception)
{
    PyObject *code = PyObject_GetAttrString(exception, "code");
    int status = EXIT_STATUS_FAILURE;
    if (code == NULL || Py_IsNone(code))
        status = EXIT_STATUS_OK;
    else if (PyLong_Check(code))
        status = (int)PyLong_AsLong(code);
    else
        PySys_FormatStderr("%S\n", code);
    PyErr_Clear();
    Py_XDECREF(code);
    return status;
}

/* Prints the current error and clears it. Returns the exit status for it. */
static int report_error(void)
{
    if (!PyErr_Occurred())
        return EXIT_STATUS_OK;
    if (!PyErr_ExceptionMatches(PyExc_SystemExit)) {
        PyErr_Print();
        return EXIT_STATUS_FAILURE;
    }
    PyObject *exception = errors_take();
    int status = exception == NULL ? EXIT_STATUS_FAILURE : status_of_exit(exception);
    Py_XDECREF(exception);
    return status;
}

void forked_child_leave(void)
{
    if (!std_fds_forked())
        return;
    SCHEDULE_POINT(child_leaves);
    int status = report_error();
    let_go_of_objects();
    if (Py_FinalizeEx() < 0)
        status = EXIT_STATUS_LOST_OUTPUT;
    fflush(NULL);
    _exit(status);
}
