/* Most of what is waited for is over before its time: so a time is only ever moved forward, and a ring in vain costs
 * less than to set the timer back each time. */
#include "queue/timer.h"

#include <pthread.h>

#include "os/poller.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long long set_to; /* 0: not set */

void timer_at(unsigned long long us)
{
    pthread_mutex_lock(&lock);
    if (us != 0 && (set_to == 0 || us < set_to) && poller_set_timer(POLLER_ALARM, us))
        set_to = us;
    pthread_mutex_unlock(&lock);
}

void timer_fired(void)
{
    pthread_mutex_lock(&lock);
    poller_clear_timer(POLLER_ALARM);
    set_to = 0;
    pthread_mutex_unlock(&lock);
}
