/* The sleeper's tick goes while requests come; at a tick that finds the main thread busy for long enough the input is
 * armed, and disarmed when that thread is idle again. */
#include "queue/handoff.h"

#include <poll.h>

#include "os/clock.h"
#include "os/poller.h"

/* As long as the main thread is busy for less, it is left to read by itself. */
#define TICK_US 2000
/* A tick wakes the reader thread, which costs more than to arm and disarm: it pays where many requests share one. */
#define QUICK_US 500
#define QUICK_ROW 32

bool handoff_open(struct handoff *watch, int input_fd)
{
    *watch = (struct handoff){.input_fd = input_fd};
    pthread_mutex_init(&watch->lock, NULL);
    return poller_open(input_fd, &watch->listens);
}

void handoff_close(void)
{
    poller_close();
}

/* With the lock held, as is the next. */
static void listen_for(struct handoff *watch, bool arm)
{
    watch->armed = arm;
    poller_watch_input(arm);
}

static void tick_later(struct handoff *watch, unsigned long long now)
{
    watch->ticking = poller_set_timer(POLLER_TICK, now + TICK_US);
}

void handoff_busy(struct handoff *watch)
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
        tick_later(watch, now);
    else if (!watch->ticking && !watch->armed)
        listen_for(watch, true);
    pthread_mutex_unlock(&watch->lock);
}

void handoff_idle(struct handoff *watch)
{
    if (!watch->listens)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->busy = false;
    if (watch->armed)
        listen_for(watch, false);
    pthread_mutex_unlock(&watch->lock);
}

static void on_tick(struct handoff *watch)
{
    poller_clear_timer(POLLER_TICK);
    pthread_mutex_lock(&watch->lock);
    unsigned long long now = clock_us();
    watch->ticking = false;
    if (watch->busy && now - watch->busy_since >= TICK_US)
        listen_for(watch, true);
    else if (watch->busy || watch->times_seen != watch->times_busy)
        tick_later(watch, now);
    watch->times_seen = watch->times_busy;
    pthread_mutex_unlock(&watch->lock);
}

enum handoff_event handoff_wait(struct handoff *watch)
{
    for (;;) {
        switch (poller_wait()) {
        case POLLER_INPUT:
            return HANDOFF_INPUT;
        case POLLER_RANG_ALARM:
            return HANDOFF_ALARM;
        case POLLER_RANG_TICK:
            on_tick(watch);
            break;
        case POLLER_FAILED:
            return HANDOFF_FAILED;
        }
    }
}

bool handoff_is_readable(const struct handoff *watch, int milliseconds)
{
    struct pollfd input = {.fd = watch->input_fd, .events = POLLIN};
    return poll(&input, 1, milliseconds) > 0;
}

bool handoff_peer_gone(int output_fd, int milliseconds)
{
    /* Nothing but POLLERR and POLLHUP is told, which macOS does only where one is asked for. */
    struct pollfd output = {.fd = output_fd, .events = POLLHUP};
    return poll(&output, 1, milliseconds) > 0;
}
