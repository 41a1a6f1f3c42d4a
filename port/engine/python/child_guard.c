/* Starts the launcher again, as the guard. It is no child of the session, whose code may wait for its children: a
 * process between the two ends before this returns, so that Python code cannot meet it. */
#include "python/child_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/exit_status.h"
#include "os/platform.h"

#ifdef PLATFORM_IS_LINUX
#    include <sched.h>
#    include <sys/syscall.h>
#    ifdef SYS_pidfd_open
#        define HAS_GUARD
#    endif
#endif

static bool wanted;

#ifdef HAS_GUARD
static const char *launcher;
static char score_text[16];
static atomic_bool begun; /* a forked child finds it set, since the fork has started the guard */

#    define STACK_SIZE 16384
/* AddressSanitizer would not learn that such a function's frame is gone, for it does not return. */
#    define IN_CHILD __attribute__((no_sanitize_address))

struct start {
    int pidfd;
    char *const *arguments;
    _Alignas(16) char stack_between[STACK_SIZE], stack_guard[STACK_SIZE];
};

/* Runs a function in a child as vfork(2) does: it shares the memory, and this thread waits until it calls execve or
 * ends. That costs the same in a large session, and runs no handlers of forks. Unlike vfork the child has a stack of
 * its own, so that it may do so again. Its end sends no SIGCHLD, and neither wait(2) nor a handler of Python's meets
 * it. */
IN_CHILD static pid_t run_in_child(int (*function)(void *start), char *stack, struct start *start)
{
    return clone(function, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK, start);
}

/* The guard inherits a pidfd of this process as its standard input, and nothing else of it. Only async-signal-safe
 * calls, as in all of the children. */
IN_CHILD static int exec_guard(void *argument)
{
    const struct start *start = argument;
    char *const environment[] = {NULL};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0 && dup2(start->pidfd, STDIN_FILENO) == STDIN_FILENO && dup2(null, STDOUT_FILENO) == STDOUT_FILENO &&
        dup2(null, STDERR_FILENO) == STDERR_FILENO)
        execve(launcher, start->arguments, environment);
    return EXIT_STATUS_FAILURE;
}

IN_CHILD static int run_between(void *argument)
{
    struct start *start = argument;
    return run_in_child(exec_guard, start->stack_guard, start) < 0 ? EXIT_STATUS_FAILURE : EXIT_STATUS_OK;
}

/* Signals are blocked, since a handler must not run in a child that shares the memory. They stay so in the guard: what
 * a terminal sends to its group is not for it. */
static void spawn_guard(int pidfd)
{
    char program[] = "pythonx_port", command[] = "children", session_pid[16];
    char *const arguments[] = {program, command, session_pid, *score_text == '\0' ? NULL : score_text, NULL};
    struct start start = {.pidfd = pidfd, .arguments = arguments};
    sigset_t all, before;
    snprintf(session_pid, sizeof session_pid, "%d", (int)getpid());
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t between = run_in_child(run_between, start.stack_between, &start);
    while (between > 0 && waitpid(between, NULL, __WALL) < 0 && errno == EINTR)
        ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* If the guard cannot be started, children live on. Mostly called with the GIL, so that no other thread runs Python
 * code meanwhile, which could wait for the process between. */
static void before_fork(void)
{
    if (atomic_load(&begun) || atomic_exchange(&begun, true))
        return;
    int error = errno;
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (pidfd >= 0) {
        spawn_guard(pidfd);
        close(pidfd);
    }
    errno = error;
}

void child_guard_prepare(const char *program, const int *oom_score)
{
    launcher = program;
    wanted = program != NULL && pthread_atfork(before_fork, NULL, NULL) == 0;
    if (oom_score != NULL)
        snprintf(score_text, sizeof score_text, "%d", *oom_score);
}
#else
static void before_fork(void)
{
}

void child_guard_prepare(const char *program, const int *oom_score)
{
    (void)program;
    (void)oom_score;
}
#endif

/* -- the functions that start processes --------------------------------------------------------------------------- */

/* A builtin function without an object of its own, so that it is pickled by its name, needs a C function for each. Only
 * code with the GIL uses these. */
#define STARTERS(X) X(fork_exec) X(posix_spawn) X(posix_spawnp) X(system)

enum starter {
#define NUMBER(name) STARTER_##name,
    STARTERS(NUMBER)
#undef NUMBER
        STARTER_COUNT
};

static PyObject *originals[STARTER_COUNT], *wrapped[STARTER_COUNT];

static PyObject *call_original(enum starter starter, PyObject *arguments, PyObject *keywords)
{
    before_fork();
    return PyObject_Call(originals[starter], arguments, keywords);
}

#define CALL(name)                                                                                                     \
    static PyObject *call_##name(PyObject *self, PyObject *arguments, PyObject *keywords)                              \
    {                                                                                                                  \
        (void)self;                                                                                                    \
        return call_original(STARTER_##name, arguments, keywords);                                                     \
    }
STARTERS(CALL)
#undef CALL

static PyMethodDef methods[] = {
#define METHOD(name) {#name, (PyCFunction)(void (*)(void))call_##name, METH_VARARGS | METH_KEYWORDS, NULL},
    STARTERS(METHOD)
#undef METHOD
};

/* Returns the text from which CPython takes a builtin's signature and its documentation. The caller must free it. */
static char *copy_doc(PyObject *function, PyObject *name)
{
    PyObject *signature = PyObject_GetAttrString(function, "__text_signature__");
    PyObject *doc = signature == NULL ? NULL : PyObject_GetAttrString(function, "__doc__");
    PyObject *whole = NULL;
    if (doc != NULL && PyUnicode_Check(doc) && PyUnicode_Check(signature))
        whole = PyUnicode_FromFormat("%U%U\n--\n\n%U", name, signature, doc);
    else if (doc != NULL && PyUnicode_Check(doc))
        whole = Py_NewRef(doc);
    const char *text = whole == NULL ? NULL : PyUnicode_AsUTF8AndSize(whole, NULL);
    char *copy = text == NULL ? NULL : strdup(text);
    PyErr_Clear();
    Py_XDECREF(whole);
    Py_XDECREF(doc);
    Py_XDECREF(signature);
    return copy;
}

static PyObject *wrap(enum starter starter, PyObject *function, PyObject *name)
{
    PyObject *module = PyObject_GetAttrString(function, "__module__");
    if (module == NULL)
        return NULL;
    /* The text lasts as long as the process, as the function may. */
    methods[starter].ml_doc = copy_doc(function, name);
    wrapped[starter] = PyCFunction_NewEx(&methods[starter], NULL, module);
    if (wrapped[starter] != NULL)
        originals[starter] = Py_NewRef(function);
    Py_DECREF(module);
    return Py_XNewRef(wrapped[starter]);
}

PyObject *child_guard_wrap_function(PyObject *self, PyObject *function)
{
    (void)self;
    PyObject *name = wanted ? PyObject_GetAttrString(function, "__name__") : NULL;
    const char *text = name == NULL ? NULL : PyUnicode_AsUTF8AndSize(name, NULL);
    PyObject *result = PyErr_Occurred() ? NULL : Py_NewRef(function);
    for (int i = 0; text != NULL && i < STARTER_COUNT; i++) {
        if (strcmp(methods[i].ml_name, text) != 0)
            continue;
        if (originals[i] == NULL)
            Py_SETREF(result, wrap((enum starter)i, function, name));
        else if (originals[i] == function)
            Py_SETREF(result, Py_NewRef(wrapped[i]));
    }
    Py_XDECREF(name);
    return result;
}
