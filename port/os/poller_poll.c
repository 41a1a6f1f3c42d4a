/* Polls with poll(2), on every POSIX system. A thread that sleeps in poll(2) does not notice that the input must be
 * watched from now on: a byte in a pipe makes it start again. */
#include "os/poller.h"

#include "os/platform.h"

#ifndef PLATFORM_IS_LINUX

#    include <errno.h>
#    include <poll.h>
#    include <pthread.h>
#    include <stdatomic.h>
#    include <sys/stat.h>
#    include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the three flags */
static bool watching;                                    /* input must wake the poller */
static bool polled;                                      /* the waiting thread watches the input already */
static bool notified;
static int watched_fd = -1, wake_out = -1, wake_in = -1;
static atomic_int notifier_fd = -1;

/* macOS cannot poll devices, and a regular file is always readable, on every system. */
static bool can_be_watched(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

bool poller_open(int input_fd, bool *watchable)
{
    int ends[2];
    if (!platform_wake_pipe(ends))
        return false;
    wake_out = ends[0];
    wake_in = ends[1];
    *watchable = can_be_watched(input_fd);
    watched_fd = *watchable ? input_fd : -1;
    return true;
}

void poller_close(void)
{
    if (wake_in >= 0) {
        close(wake_in);
        close(wake_out);
    }
    wake_in = wake_out = watched_fd = -1;
}

/* A full pipe wakes the reader as well. */
static void wake(void)
{
    (void)!write(wake_in, "", 1);
}

void poller_watch_input(bool watch)
{
    pthread_mutex_lock(&lock);
    watching = watch;
    if (watch && !polled)
        wake();
    pthread_mutex_unlock(&lock);
}

void poller_forget_input(void)
{
    watched_fd = -1;
}

void poller_notify(void)
{
    pthread_mutex_lock(&lock);
    notified = true;
    wake();
    pthread_mutex_unlock(&lock);
}

bool poller_add_notifier(int fd)
{
    atomic_store(&notifier_fd, fd);
    poller_notify();
    return true;
}

/* Sleeps. Returns the events of the input, 0 if there was a notification or the time is over, -1 with errno if poll
 * fails. */
static int sleep_once(int milliseconds, bool with_input, bool *timed_out)
{
    char bytes[64];
    /* POLLHUP is always reported, but on macOS only if another event is requested. */
    short events = with_input ? POLLIN | POLLHUP : POLLHUP;
    struct pollfd fds[] = {{.fd = wake_out, .events = POLLIN},
                           {.fd = watched_fd, .events = events},
                           {.fd = atomic_load(&notifier_fd), .events = POLLIN}};
    int count = poll(fds, 3, milliseconds);
    if (count < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -1;
    *timed_out = count == 0;
    while (fds[0].revents != 0 && read(wake_out, bytes, sizeof bytes) > 0)
        ;
    if (fds[2].revents != 0)
        poller_notify();
    return fds[1].revents;
}

/* Returns whether the reader thread must handle the event: input that is not watched any more belongs to the main
 * thread. */
static bool is_for_reader(int reported)
{
    pthread_mutex_lock(&lock);
    bool for_reader = (reported & ~POLLIN) != 0 || (reported != 0 && watching);
    pthread_mutex_unlock(&lock);
    return for_reader;
}

static bool take_notification(bool *with_input)
{
    pthread_mutex_lock(&lock);
    bool was = notified;
    notified = false;
    *with_input = polled = watching;
    pthread_mutex_unlock(&lock);
    return was;
}

enum poller_event poller_wait(int milliseconds)
{
    for (;;) {
        bool with_input, timed_out = false;
        if (take_notification(&with_input))
            return POLLER_NOTIFIED;
        int reported = sleep_once(milliseconds, with_input, &timed_out);
        if (reported < 0)
            return POLLER_FAILED;
        if (is_for_reader(reported))
            return POLLER_INPUT;
        if (timed_out)
            return POLLER_TIMEOUT;
    }
}

#endif
