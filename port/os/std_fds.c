/* Moves the protocol's descriptors away from 0 and 1, so that input(), printf in a C library or a child process cannot
 * touch the stream of frames. */
#include "os/std_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "os/platform.h"

/* The most that an unprivileged process may request by default: fcntl(2), F_SETPIPE_SZ. */
#define PIPE_SIZE (1024 * 1024)
#define FIRST_PRIVATE 3

static int private_input = -1, private_output = -1;
static atomic_bool forked;

/* Runs in the child of a fork, so it calls close(2) alone. */
static void on_fork(void)
{
    atomic_store(&forked, true);
    close(private_input);
    close(private_output);
}

bool std_fds_forked(void)
{
    return atomic_load(&forked);
}

static int move_out(int fd)
{
    if (fd >= FIRST_PRIVATE)
        return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1;
    return fcntl(fd, F_DUPFD_CLOEXEC, FIRST_PRIVATE);
}

static void enlarge(int fd)
{
#if defined(PLATFORM_IS_LINUX) && defined(F_SETPIPE_SZ)
    /* Fails if it is no pipe, or over the user's share of pipe memory: the pipe then keeps its size. */
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
#else
    (void)fd;
#endif
}

static bool put_null_on(int target, int flags)
{
    int null = open("/dev/null", flags | O_CLOEXEC);
    if (null < 0)
        return false;
    bool done = null == target ? fcntl(null, F_SETFD, 0) == 0 : dup2(null, target) == target;
    if (null != target)
        close(null);
    return done;
}

bool std_fds_claim(int *input, int *output)
{
    if (fcntl(STDERR_FILENO, F_GETFD) < 0 && errno == EBADF && !put_null_on(STDERR_FILENO, O_WRONLY))
        return false;
    int in = move_out(*input);
    int out = in < 0 ? -1 : move_out(*output);
    if (out < 0)
        return false;
    if (!put_null_on(STDIN_FILENO, O_RDONLY) || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return false;
    enlarge(in);
    enlarge(out);
    *input = private_input = in;
    *output = private_output = out;
    errno = pthread_atfork(NULL, NULL, on_fork);
    return errno == 0;
}
