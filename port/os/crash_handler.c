/* Opens the crash file in a signal handler. faulthandler needs a descriptor that is open beforehand: it gets one on
 * /dev/null, and our handler, which runs first, replaces that by the file. The handler calls open, dup2, close and
 * sigaction alone, all async-signal-safe (signal-safety(7)). */
#include "os/crash_handler.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "os/std_fds.h"

static const int fatal_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define FATAL_COUNT (sizeof fatal_signals / sizeof *fatal_signals)

static const char *crash_path;
static int descriptor = STDERR_FILENO;
static struct sigaction faulthandlers[FATAL_COUNT];

bool crash_handler_prepare(const char *path)
{
    crash_path = path;
    if (path == NULL)
        return true;
    descriptor = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return descriptor >= 0;
}

int crash_handler_descriptor(void)
{
    return descriptor;
}

/* A forked child must not overwrite the session's crash file: its traceback goes to standard error, as python3's
 * does. */
static void open_file(void)
{
    int saved = errno;
    if (std_fds_forked()) {
        dup2(STDERR_FILENO, descriptor);
        errno = saved;
        return;
    }
    int file = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file >= 0) {
        dup2(file, descriptor);
        close(file);
    }
    errno = saved;
}

static void pass_on(const struct sigaction *next, int signal_number, siginfo_t *info, void *context)
{
    if (next->sa_flags & SA_SIGINFO)
        next->sa_sigaction(signal_number, info, context);
    else if (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN)
        next->sa_handler(signal_number);
    else
        raise(signal_number);
}

static void on_fatal_signal(int signal_number, siginfo_t *info, void *context)
{
    open_file();
    for (size_t i = 0; i < FATAL_COUNT; i++) {
        if (fatal_signals[i] != signal_number)
            continue;
        sigaction(signal_number, &faulthandlers[i], NULL);
        /* faulthandler writes the traceback, restores the default action and raises the signal again. */
        pass_on(&faulthandlers[i], signal_number, info, context);
    }
}

bool crash_handler_guard(void)
{
    if (crash_path == NULL)
        return true;
    struct sigaction action = {.sa_sigaction = on_fatal_signal, .sa_flags = SA_ONSTACK | SA_NODEFER | SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FATAL_COUNT; i++)
        if (sigaction(fatal_signals[i], &action, &faulthandlers[i]) != 0)
            return false;
    return true;
}
