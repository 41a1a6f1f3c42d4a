#include "os/thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "os/clock.h"

bool thread_start(void *(*function)(void *argument), void *argument)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, function, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    if (error == 0)
        pthread_detach(thread);
    return error == 0;
}

void thread_condition_init(pthread_cond_t *condition)
{
#ifdef __APPLE__
    pthread_cond_init(condition, NULL);
#else
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
#endif
}

void thread_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, unsigned long long until_us)
{
    if (until_us == 0) {
        pthread_cond_wait(condition, mutex);
        return;
    }
#ifdef __APPLE__
    /* macOS measures condition waits on the wall clock only, but has a wait for a duration. */
    unsigned long long now = clock_us(), left = until_us > now ? until_us - now : 0;
    struct timespec span = {.tv_sec = (time_t)(left / 1000000), .tv_nsec = (long)(left % 1000000) * 1000};
    (void)pthread_cond_timedwait_relative_np(condition, mutex, &span);
#else
    struct timespec until = {.tv_sec = (time_t)(until_us / 1000000), .tv_nsec = (long)(until_us % 1000000) * 1000};
    (void)pthread_cond_timedwait(condition, mutex, &until);
#endif
}
