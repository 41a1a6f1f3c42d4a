/* A signal to the main thread, handled by Python's own machinery: the C handler notes it, the eval loop calls
 * on_signal. SIGURG is ignored by default, so that a stray one does no harm. */
#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#define INTERRUPT_SIGNAL SIGURG

PyObject *interrupt_Shutdown;
static pthread_t main_thread;
static atomic_bool started, shutdown_asked;

static PyObject *on_signal(PyObject *self, PyObject *arguments)
{
    (void)self, (void)arguments;
    if (!atomic_load(&shutdown_asked))
        Py_RETURN_NONE;
    PyErr_SetString(interrupt_Shutdown, "the input ended while this ran (--linger gives it more time)");
    return NULL;
}

static PyMethodDef on_signal_method = {"on_signal", on_signal, METH_VARARGS, NULL};

/* Importing _signal installs a handler that turns SIGINT into a KeyboardInterrupt, at some later request if none runs.
 * Here an interrupt from a terminal is to end the process, as it ends others. */
static PyObject *import_signals(void)
{
    struct sigaction before;
    bool ends = sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler == SIG_DFL;
    PyObject *signals = PyImport_ImportModule("_signal");
    if (signals == NULL || !ends)
        return signals;
    PyObject *default_action = PyObject_GetAttrString(signals, "SIG_DFL");
    PyObject *done =
        default_action == NULL ? NULL : PyObject_CallMethod(signals, "signal", "iO", SIGINT, default_action);
    Py_XDECREF(default_action);
    if (done == NULL)
        Py_CLEAR(signals);
    Py_XDECREF(done);
    return signals;
}

int interrupt_start(PyObject *module)
{
    int result = -1;
    main_thread = pthread_self();
    interrupt_Shutdown = PyErr_NewExceptionWithDoc("erlang.Shutdown", "Nobody waits for the result any more.",
                                                   PyExc_BaseException, NULL);
    PyObject *handler = PyCFunction_New(&on_signal_method, NULL);
    PyObject *signals = import_signals();
    PyObject *done = NULL;
    if (interrupt_Shutdown != NULL && handler != NULL && signals != NULL)
        done = PyObject_CallMethod(signals, "signal", "iO", INTERRUPT_SIGNAL, handler);
    if (done != NULL)
        result = PyModule_AddObjectRef(module, "Shutdown", interrupt_Shutdown);
    atomic_store(&started, result == 0);
    Py_XDECREF(done);
    Py_XDECREF(signals);
    Py_XDECREF(handler);
    return result;
}

void interrupt_shutdown(void)
{
    atomic_store(&shutdown_asked, true);
    if (atomic_load(&started))
        pthread_kill(main_thread, INTERRUPT_SIGNAL);
}
