/* flock(2), which the kernel releases with the last descriptor, however its holder ends. */
#include "launcher/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/exit_status.h"

/* How long a group that was asked to end may take. */
#define GRACE_MS 2000

static int complain(const char *what, int error)
{
    fprintf(stderr, "pythonx_port: %s: %s\n", what, strerror(error));
    return EXIT_STATUS_FAILURE;
}

/* -- the lock ------------------------------------------------------------------------------------------------------ */

/* True when there will be no more input; what there is of it says nothing. */
static bool has_ended(int fd)
{
    char bytes[64];
    ssize_t count = read(fd, bytes, sizeof bytes);
    return count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN);
}

static bool ends_within(int fd, int milliseconds)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, milliseconds) > 0 && has_ended(fd);
}

int hold_lock(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return complain(path, errno);
    /* To wait for the lock and for the end of the input at once there is only trying. */
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return complain(path, errno);
        if (ends_within(STDIN_FILENO, 50))
            return EXIT_STATUS_OK;
    }
    puts("locked");
    fflush(stdout);
    while (!has_ended(STDIN_FILENO))
        ;
    return EXIT_STATUS_OK;
}

/* -- the guard ----------------------------------------------------------------------------------------------------- */

static void on_child(int signal)
{
    (void)signal; /* it is there to interrupt ppoll(2) */
}

static int start(char *const *arguments, const sigset_t *mask, pid_t *pid)
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
    /* SIGCHLD interrupts it; it is blocked outside of it, and cannot get lost. */
    if (waitpid(pid, &status, WNOHANG) == 0)
        ppoll(NULL, 0, &grace, mask);
    kill(-pid, SIGKILL);
}

int hold_guard(char *const *arguments)
{
    struct sigaction action = {.sa_handler = on_child};
    sigset_t child, before;
    pid_t pid;
    int status;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &before);
    sigaction(SIGCHLD, &action, NULL);
    int error = start(arguments, &before, &pid);
    if (error != 0)
        return complain(arguments[0], error);
    sigdelset(&before, SIGCHLD);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (ppoll(&input, 1, NULL, &before) > 0 && has_ended(STDIN_FILENO)) {
            end_group(pid, &before);
            return EXIT_STATUS_FAILURE;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
