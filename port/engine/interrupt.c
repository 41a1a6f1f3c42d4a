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
static atomic_bool shutdown_asked;

static PyObject *on_signal(PyObject *self, PyObject *arguments)
{
    (void)self, (void)arguments;
    if (!atomic_load(&shutdown_asked))
        Py_RETURN_NONE;
    PyErr_SetString(interrupt_Shutdown, "the input ended while this ran (--linger gives it more time)");
    return NULL;
}

static PyMethodDef on_signal_method = {"on_signal", on_signal, METH_VARARGS, NULL};

int interrupt_start(PyObject *module)
{
    int result = -1;
    main_thread = pthread_self();
    interrupt_Shutdown = PyErr_NewExceptionWithDoc("erlang.Shutdown", "Nobody waits for the result any more.",
                                                   PyExc_BaseException, NULL);
    PyObject *handler = PyCFunction_New(&on_signal_method, NULL);
    PyObject *signals = PyImport_ImportModule("_signal");
    PyObject *done = NULL;
    if (interrupt_Shutdown != NULL && handler != NULL && signals != NULL)
        done = PyObject_CallMethod(signals, "signal", "iO", INTERRUPT_SIGNAL, handler);
    if (done != NULL)
        result = PyModule_AddObjectRef(module, "Shutdown", interrupt_Shutdown);
    Py_XDECREF(done);
    Py_XDECREF(signals);
    Py_XDECREF(handler);
    return result;
}

void interrupt_shutdown(void)
{
    atomic_store(&shutdown_asked, true);
    pthread_kill(main_thread, INTERRUPT_SIGNAL);
}
