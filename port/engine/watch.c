/* epoll(7) over the input and a timer (timerfd_create(2)). The timer ticks while requests come; at a tick that finds
 * the main thread busy for long enough the input is armed, and disarmed when that thread is idle again. */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "alarm.h"
#include "clock.h"

/* As long as the main thread is busy for less, it is left to read by itself. */
#define TICK_US 2000
/* A tick wakes the reader thread, which costs more than to arm and disarm: it pays where many requests share one. */
#define QUICK_US 500
#define QUICK_ROW 32

static bool add(const struct watch *watch, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(watch->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool watch_open(struct watch *watch, int input_fd)
{
    *watch = (struct watch){.poll_fd = -1, .timer_fd = -1, .input_fd = input_fd};
    pthread_mutex_init(&watch->lock, NULL);
    watch->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    watch->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (watch->timer_fd < 0 || watch->poll_fd < 0 || !add(watch, watch->timer_fd, EPOLLIN) ||
        !add(watch, alarm_fd(), EPOLLIN))
        return false;
    watch->listens = add(watch, input_fd, 0);
    return watch->listens || errno == EPERM;
}

void watch_close(struct watch *watch)
{
    if (watch->poll_fd >= 0)
        close(watch->poll_fd);
    if (watch->timer_fd >= 0)
        close(watch->timer_fd);
    watch->poll_fd = watch->timer_fd = -1;
}

/* With the lock held. A hang-up wakes even a disarmed watch. */
static void listen_for(struct watch *watch, bool arm)
{
    struct epoll_event event = {.events = arm ? EPOLLIN : 0, .data.fd = watch->input_fd};
    watch->armed = arm;
    (void)epoll_ctl(watch->poll_fd, EPOLL_CTL_MOD, watch->input_fd, &event);
}

static void tick_later(struct watch *watch)
{
    const struct itimerspec once = {.it_value = {.tv_nsec = (long)TICK_US * 1000}};
    watch->ticking = timerfd_settime(watch->timer_fd, 0, &once, NULL) == 0;
}

void watch_busy(struct watch *watch)
{
    if (!watch->listens)
        return;
    unsigned long long now = clock_us();
    pthread_mutex_lock(&watch->lock);
    if (!watch->busy) {
        watch->busy = true;
        watch->busy_since = now;
    }
    watch->times_busy++;
    watch->quick = now - watch->last_busy < QUICK_US ? watch->quick + 1 : 0;
    watch->last_busy = now;
    if (!watch->ticking && !watch->armed && watch->quick >= QUICK_ROW)
        tick_later(watch);
    else if (!watch->ticking && !watch->armed)
        listen_for(watch, true);
    pthread_mutex_unlock(&watch->lock);
}

void watch_idle(struct watch *watch)
{
    if (!watch->listens)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->busy = false;
    if (watch->armed)
        listen_for(watch, false);
    pthread_mutex_unlock(&watch->lock);
}

static void on_tick(struct watch *watch)
{
    uint64_t expirations;
    (void)!read(watch->timer_fd, &expirations, sizeof expirations);
    pthread_mutex_lock(&watch->lock);
    watch->ticking = false;
    if (watch->busy && clock_us() - watch->busy_since >= TICK_US)
        listen_for(watch, true);
    else if (watch->busy || watch->times_seen != watch->times_busy)
        tick_later(watch);
    watch->times_seen = watch->times_busy;
    pthread_mutex_unlock(&watch->lock);
}

enum watch_event watch_wait(struct watch *watch)
{
    for (;;) {
        struct epoll_event event;
        int count = epoll_wait(watch->poll_fd, &event, 1, -1);
        if (count < 0 && errno != EINTR)
            return WATCH_FAILED;
        if (count > 0 && event.data.fd == alarm_fd())
            return WATCH_ALARM;
        if (count > 0 && event.data.fd == watch->input_fd)
            return WATCH_INPUT;
        if (count > 0)
            on_tick(watch);
    }
}

bool watch_is_readable(const struct watch *watch, int milliseconds)
{
    struct pollfd input = {.fd = watch->input_fd, .events = POLLIN};
    return poll(&input, 1, milliseconds) > 0;
}

bool watch_peer_gone(int output_fd, int milliseconds)
{
    /* With no events asked for, only POLLERR and POLLHUP are told. */
    struct pollfd output = {.fd = output_fd, .events = 0};
    return poll(&output, 1, milliseconds) > 0;
}
