/* Calls the function from a thread that sleeps until the earliest time. Most waits are over before their time, so a
 * time is only ever moved forward: a needless wake-up now and then costs less than setting the timer back each time. */
#include "queue/timer.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "os/clock.h"
#include "os/ranked_lock.h"
#include "os/thread.h"

static struct ranked_lock lock = RANKED_LOCK_INITIALIZER(LOCK_TIMER, "timer"); /* guards what follows */
static pthread_cond_t earlier;
static timer_expired *on_expired;
static bool started;
static unsigned long long set_to; /* 0: not set */

static void *timer_thread(void *unused)
{
    ranked_lock_acquire(&lock);
    for (;;) {
        unsigned long long now = clock_us();
        if (set_to == 0 || set_to > now) {
            ranked_lock_wait(&lock, &earlier, set_to);
            continue;
        }
        set_to = 0;
        ranked_lock_release(&lock);
        on_expired(now);
        ranked_lock_acquire(&lock);
    }
    return unused;
}

void timer_start(timer_expired *expired)
{
    thread_condition_init(&earlier);
    on_expired = expired;
}

/* With the lock. If the thread cannot be started nothing expires: the next call of timer_at tries again. */
static void start_thread(void)
{
    started = thread_start(timer_thread, NULL);
    if (!started)
        fprintf(stderr, "pythonx_port: the timer's thread could not be started: %s\n", strerror(errno));
}

void timer_at(unsigned long long us)
{
    if (us == 0)
        return;
    ranked_lock_acquire(&lock);
    if (!started && on_expired != NULL)
        start_thread();
    if (set_to == 0 || us < set_to) {
        set_to = us;
        pthread_cond_signal(&earlier);
    }
    ranked_lock_release(&lock);
}
