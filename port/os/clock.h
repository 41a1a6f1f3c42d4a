/* Reads the monotonic clock, on which all times are measured. */
#ifndef PYTHONX_CLOCK_H
#define PYTHONX_CLOCK_H

#include <time.h>

/* Returns microseconds on a clock that never goes back (CLOCK_MONOTONIC). */
static inline unsigned long long clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000;
}

#endif
