/* Guards a program by ppoll(2), which waits for the input, and for SIGCHLD, which is blocked everywhere else and cannot
 * get lost. */
#include "launcher/guard.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/input_end.h"
#include "os/exit_status.h"

/* How long a group may take to end after SIGTERM. */
#define GRACE_MS 2000

static void on_child(int signal)
{
    (void)signal; /* the handler interrupts ppoll(2) */
}

static int spawn_group(char *const *arguments, const sigset_t *mask, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, mask);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    int error = posix_spawnp(pid, arguments[0], &actions, &attributes, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

static void end_group(pid_t pid, const sigset_t *mask)
{
    int status;
    struct timespec grace = {.tv_sec = GRACE_MS / 1000};
    kill(-pid, SIGTERM);
    if (waitpid(pid, &status, WNOHANG) == 0)
        ppoll(NULL, 0, &grace, mask);
    kill(-pid, SIGKILL);
}

int guard_run(char *const *arguments)
{
    struct sigaction action = {.sa_handler = on_child};
    sigset_t child, before;
    pid_t pid;
    int status;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &before);
    sigaction(SIGCHLD, &action, NULL);
    int error = spawn_group(arguments, &before, &pid);
    if (error != 0) {
        fprintf(stderr, "pythonx_port: %s: %s\n", arguments[0], strerror(error));
        return EXIT_STATUS_FAILURE;
    }
    sigdelset(&before, SIGCHLD);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (ppoll(&input, 1, NULL, &before) > 0 && input_has_ended(STDIN_FILENO)) {
            end_group(pid, &before);
            return EXIT_STATUS_FAILURE;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
