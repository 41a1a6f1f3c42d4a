/* For every POSIX system. A thread that sleeps in poll(2) does not notice that it is to watch the input from now on:
 * a byte in a pipe makes it look again. */
#include "os/poller.h"

#include "os/platform.h"

#ifndef PLATFORM_IS_LINUX

#    include <errno.h>
#    include <poll.h>
#    include <pthread.h>
#    include <sys/stat.h>
#    include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the three flags */
static bool watching;                                    /* input is to wake the poller */
static bool listening;                                   /* the thread that waits knows that already */
static bool notified;
static int watched_fd = -1, wake_out = -1, wake_in = -1;

/* macOS polls no devices, and everywhere regular files are always readable. */
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

/* A full pipe wakes as well. */
static void wake(void)
{
    (void)!write(wake_in, "", 1);
}

void poller_watch_input(bool watch)
{
    pthread_mutex_lock(&lock);
    watching = watch;
    if (watch && !listening)
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

/* Sleeps. Returns what poll reports of the input, 0 if there is something else to look at or the time is over, -1 with
 * errno if it fails. */
static int sleep_once(int milliseconds, bool listen, bool *timed_out)
{
    char bytes[64];
    /* POLLHUP is reported in any case, but on macOS only if something is asked for. */
    short events = listen ? POLLIN | POLLHUP : POLLHUP;
    struct pollfd fds[] = {{.fd = wake_out, .events = POLLIN}, {.fd = watched_fd, .events = events}};
    int count = poll(fds, 2, milliseconds);
    if (count < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -1;
    *timed_out = count == 0;
    while (fds[0].revents != 0 && read(wake_out, bytes, sizeof bytes) > 0)
        ;
    return fds[1].revents;
}

/* Whether what poll reported is for the reader thread: if the input is not watched any more it is the main thread's. */
static bool is_for_reader(int reported)
{
    pthread_mutex_lock(&lock);
    bool for_reader = (reported & ~POLLIN) != 0 || (reported != 0 && watching);
    pthread_mutex_unlock(&lock);
    return for_reader;
}

static bool take_notification(bool *listen)
{
    pthread_mutex_lock(&lock);
    bool was = notified;
    notified = false;
    *listen = listening = watching;
    pthread_mutex_unlock(&lock);
    return was;
}

enum poller_event poller_wait(int milliseconds)
{
    for (;;) {
        bool listen, timed_out = false;
        if (take_notification(&listen))
            return POLLER_NOTIFIED;
        int reported = sleep_once(milliseconds, listen, &timed_out);
        if (reported < 0)
            return POLLER_FAILED;
        if (is_for_reader(reported))
            return POLLER_INPUT;
        if (timed_out)
            return POLLER_TIMEOUT;
    }
}

#endif
