/* Waits by epoll(7), for Linux: no call here wakes a thread that has nothing to do. */
#include "os/poller.h"

#include "os/platform.h"

#ifdef PLATFORM_IS_LINUX

#    include <errno.h>
#    include <stdint.h>
#    include <sys/epoll.h>
#    include <sys/timerfd.h>
#    include <unistd.h>

/* The names of the timers in epoll's events; the input comes after them. */
#    define INPUT POLLER_TIMERS

static int poll_fd = -1, watched_fd = -1;
static int timers[POLLER_TIMERS] = {-1, -1};

static bool add(int fd, uint32_t name, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = name};
    return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool poller_open(int input_fd, bool *listens)
{
    watched_fd = input_fd;
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll_fd < 0)
        return false;
    for (uint32_t i = 0; i < POLLER_TIMERS; i++) {
        timers[i] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (timers[i] < 0 || !add(timers[i], i, EPOLLIN))
            return false;
    }
    *listens = add(input_fd, INPUT, 0);
    return *listens || errno == EPERM;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void poller_close(void)
{
    close_one(&poll_fd);
    for (int i = 0; i < POLLER_TIMERS; i++)
        close_one(&timers[i]);
}

void poller_watch_input(bool arm)
{
    struct epoll_event event = {.events = arm ? EPOLLIN : 0, .data.u32 = INPUT};
    (void)epoll_ctl(poll_fd, EPOLL_CTL_MOD, watched_fd, &event);
}

bool poller_set_timer(enum poller_timer timer, unsigned long long us)
{
    const struct itimerspec once = {
        .it_value = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000}};
    return timerfd_settime(timers[timer], TFD_TIMER_ABSTIME, &once, NULL) == 0;
}

void poller_clear_timer(enum poller_timer timer)
{
    uint64_t expirations;
    (void)!read(timers[timer], &expirations, sizeof expirations);
}

enum poller_event poller_wait(void)
{
    struct epoll_event event;
    int count;
    while ((count = epoll_wait(poll_fd, &event, 1, -1)) <= 0)
        if (count < 0 && errno != EINTR)
            return POLLER_FAILED;
    if (event.data.u32 == INPUT)
        return POLLER_INPUT;
    return event.data.u32 == POLLER_TICK ? POLLER_RANG_TICK : POLLER_RANG_ALARM;
}

#endif
