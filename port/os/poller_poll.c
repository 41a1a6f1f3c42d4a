/* Waits by poll(2), for every POSIX system. A thread that sleeps in poll(2) does not notice that it was to wake
 * earlier, or for more, than when it fell asleep: a byte in a pipe has it look again. */
#include "os/poller.h"

#include "os/platform.h"

#ifndef PLATFORM_IS_LINUX

#    include <errno.h>
#    include <limits.h>
#    include <poll.h>
#    include <pthread.h>
#    include <sys/stat.h>
#    include <unistd.h>

#    include "os/clock.h"

#    define NEVER ULLONG_MAX

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows but the descriptors */
static int watched_fd = -1, wake_out = -1, wake_in = -1;
static bool armed;
static unsigned long long times[POLLER_TIMERS] = {NEVER, NEVER};
/* What the sleeping thread waits for; it need not be woken for that. */
static bool listening;
static unsigned long long wakes_at;

/* macOS polls no devices, and everywhere regular files are always readable. */
static bool can_be_watched(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

bool poller_open(int input_fd, bool *listens)
{
    int ends[2];
    if (!platform_wake_pipe(ends))
        return false;
    wake_out = ends[0];
    wake_in = ends[1];
    *listens = can_be_watched(input_fd);
    watched_fd = *listens ? input_fd : -1;
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

void poller_watch_input(bool arm)
{
    pthread_mutex_lock(&lock);
    armed = arm;
    if (arm && !listening)
        wake();
    pthread_mutex_unlock(&lock);
}

bool poller_set_timer(enum poller_timer timer, unsigned long long us)
{
    if (wake_in < 0)
        return false;
    pthread_mutex_lock(&lock);
    times[timer] = us;
    if (us < wakes_at)
        wake();
    pthread_mutex_unlock(&lock);
    return true;
}

void poller_clear_timer(enum poller_timer timer)
{
    pthread_mutex_lock(&lock);
    times[timer] = NEVER;
    pthread_mutex_unlock(&lock);
}

/* poll's timeout, rounded up so that it does not wake too early. */
static int milliseconds_until(unsigned long long us, unsigned long long now)
{
    if (us == NEVER)
        return -1;
    unsigned long long left = us > now ? (us - now + 999) / 1000 : 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* Sleeps. Returns poll's events for the input; 0 after any other wake-up, -1 with errno if poll failed. */
static int sleep_for(int milliseconds, bool listen)
{
    char bytes[64];
    /* POLLHUP is reported without being asked for, but on macOS only if something else is asked for. */
    short events = listen ? POLLIN | POLLHUP : POLLHUP;
    struct pollfd fds[] = {{.fd = wake_out, .events = POLLIN}, {.fd = watched_fd, .events = events}};
    if (poll(fds, 2, milliseconds) < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -1;
    while (fds[0].revents != 0 && read(wake_out, bytes, sizeof bytes) > 0)
        ;
    return fds[1].revents;
}

/* Returns true if the reader thread waits for these events: input is the main thread's if it is not armed. */
static bool is_for_reader(int told)
{
    pthread_mutex_lock(&lock);
    bool for_reader = (told & ~POLLIN) != 0 || (told != 0 && armed);
    pthread_mutex_unlock(&lock);
    return for_reader;
}

enum poller_event poller_wait(void)
{
    for (;;) {
        unsigned long long now = clock_us();
        pthread_mutex_lock(&lock);
        bool tick = times[POLLER_TICK] <= now, alarm = times[POLLER_ALARM] <= now;
        wakes_at = times[POLLER_TICK] < times[POLLER_ALARM] ? times[POLLER_TICK] : times[POLLER_ALARM];
        bool listen = listening = armed;
        int milliseconds = milliseconds_until(wakes_at, now);
        pthread_mutex_unlock(&lock);
        if (tick || alarm)
            return tick ? POLLER_RANG_TICK : POLLER_RANG_ALARM;
        int told = sleep_for(milliseconds, listen);
        if (told < 0)
            return POLLER_FAILED;
        if (is_for_reader(told))
            return POLLER_INPUT;
    }
}

#endif
