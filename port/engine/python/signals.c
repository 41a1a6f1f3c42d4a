#include "python/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "os/platform.h"
#include "os/poller.h"
#include "queue/session.h"

static struct sigaction python_action; /* of SIGINT */

/* Only async-signal-safe calls (signal-safety(7)). An interrupt from outside, as from a terminal, ends the process as
 * it ends others; one that Python code raises in its own process is a KeyboardInterrupt, as in python3. A handler that
 * Python code installs replaces this one. */
static void on_interrupt(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_pid == getpid() && info->si_code <= 0) {
        python_action.sa_handler(number);
        return;
    }
    signal(number, SIG_DFL);
    raise(number);
}

/* Importing _signal installs Python's handler of SIGINT, unless the signal is ignored. */
static PyObject *import_signals(void)
{
    struct sigaction before, action = {.sa_sigaction = on_interrupt, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    bool ends = sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler == SIG_DFL;
    PyObject *signals = PyImport_ImportModule("_signal");
    if (signals == NULL || !ends)
        return signals;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, NULL, &python_action) == 0 && python_action.sa_handler != SIG_DFL &&
        python_action.sa_handler != SIG_IGN && !(python_action.sa_flags & SA_SIGINFO))
        (void)sigaction(SIGINT, &action, NULL);
    return signals;
}

/* -- a signal that comes just before the main thread sleeps ------------------------------------------------------- */

/* Python's own handler writes the number of each signal into the second end. */
static int signal_pipe[2] = {-1, -1};

void signals_take(void)
{
    unsigned char numbers[64];
    bool came = false;
    ssize_t count;
    while (signal_pipe[0] >= 0 && (count = read(signal_pipe[0], numbers, sizeof numbers)) > 0)
        for (ssize_t i = 0; i < count; i++)
            came = came || numbers[i] != HANDOFF_SIGNAL;
    if (!came)
        return;
    session_lock();
    handoff_interrupt_main();
    session_unlock();
}

/* Returns the descriptor before, or -2 with an error set. */
static long set_wakeup(PyObject *signals, int fd)
{
    PyObject *set = PyObject_GetAttrString(signals, "set_wakeup_fd");
    PyObject *arguments = Py_BuildValue("(i)", fd), *keywords = Py_BuildValue("{s:O}", "warn_on_full_buffer", Py_False);
    PyObject *before =
        set == NULL || arguments == NULL || keywords == NULL ? NULL : PyObject_Call(set, arguments, keywords);
    long number = before == NULL ? -2 : PyLong_AsLong(before);
    Py_XDECREF(before);
    Py_XDECREF(keywords);
    Py_XDECREF(arguments);
    Py_XDECREF(set);
    return number;
}

void signals_watch(void)
{
    PyObject *signals = PyImport_ImportModule("_signal");
    long before = signals == NULL ? -2 : set_wakeup(signals, signal_pipe[1]);
    /* Any other descriptor is that of the user's code, which keeps it. */
    if (before >= 0 && before != signal_pipe[1])
        (void)set_wakeup(signals, (int)before);
    PyErr_Clear();
    Py_XDECREF(signals);
}

PyObject *signals_watch_function(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    signals_watch();
    Py_RETURN_NONE;
}

/* Returns 0, or -1 with an error set. */
static int open_signal_pipe(void)
{
    if (platform_wake_pipe(signal_pipe) && poller_add_notifier(signal_pipe[0]))
        return 0;
    PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

int signals_start(PyObject *handler)
{
    PyObject *signals = import_signals();
    PyObject *done = signals == NULL ? NULL : PyObject_CallMethod(signals, "signal", "iO", HANDOFF_SIGNAL, handler);
    Py_XDECREF(signals);
    Py_XDECREF(done);
    if (done == NULL || open_signal_pipe() < 0)
        return -1;
    signals_watch();
    return 0;
}
