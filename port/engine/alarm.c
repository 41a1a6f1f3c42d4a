/* Most of what is waited for is over before its time: so a time is only ever moved forward, and a ring in vain costs
 * less than to set the timer back each time. */
#include "alarm.h"

#include <pthread.h>

#include "sleeper.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long long set_to; /* 0: not set */

void alarm_at(unsigned long long us)
{
    pthread_mutex_lock(&lock);
    if (us != 0 && (set_to == 0 || us < set_to) && sleeper_set(SLEEPER_ALARM, us))
        set_to = us;
    pthread_mutex_unlock(&lock);
}

void alarm_rang(void)
{
    pthread_mutex_lock(&lock);
    sleeper_heard(SLEEPER_ALARM);
    set_to = 0;
    pthread_mutex_unlock(&lock);
}
