/* timerfd_create(2), whose clock is that of clock_us. Most of what is waited for is over before its time: so a
 * time is only ever moved forward, and a ring in vain costs less than to set the timer back each time. */
#include "alarm.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int fd = -1;
static unsigned long long set_to; /* 0: not set */

bool alarm_open(void)
{
    fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return fd >= 0;
}

int alarm_fd(void)
{
    return fd;
}

void alarm_at(unsigned long long us)
{
    pthread_mutex_lock(&lock);
    if (us != 0 && (set_to == 0 || us < set_to)) {
        const struct itimerspec once = {
            .it_value = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000}};
        if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &once, NULL) == 0)
            set_to = us;
    }
    pthread_mutex_unlock(&lock);
}

void alarm_rang(void)
{
    uint64_t expirations;
    pthread_mutex_lock(&lock);
    (void)!read(fd, &expirations, sizeof expirations);
    set_to = 0;
    pthread_mutex_unlock(&lock);
}
