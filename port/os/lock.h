/* Locks that have an order: a thread that holds one takes only locks of a higher rank. Debug builds
 * (PYTHONX_CHECKS) abort the process where a thread does otherwise, and name both locks. */
#ifndef PYTHONX_LOCK_H
#define PYTHONX_LOCK_H

#include <pthread.h>
#include <stdbool.h>

/* The order, from the lock that is taken first. port/README.md says what each guards. */
enum lock_rank {
    LOCK_SENDING = 1, /* the order of a stream's batches on their way out (exec/stream) */
    LOCK_WRITER,      /* the output descriptor (wire/writer); it is held while a slow client is waited for */
    LOCK_SESSION,     /* jobs, invocations, streams, and who reads (queue/session); never held for long */
    LOCK_TIMER,       /* when the timer fires next (queue/timer) */
};

struct lock {
    pthread_mutex_t mutex;
    enum lock_rank rank;
    const char *name;
};

#define LOCK_INITIALIZER(rank_, name_)                                                                                 \
    {                                                                                                                  \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .rank = (rank_), .name = (name_)                                           \
    }

#ifdef PYTHONX_CHECKS
void lock_acquire(struct lock *lock);
void lock_release(struct lock *lock);
/* Aborts unless the calling thread holds the lock. */
void lock_assert_held(const struct lock *lock);
#else
static inline void lock_acquire(struct lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

static inline void lock_release(struct lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

static inline void lock_assert_held(const struct lock *lock)
{
    (void)lock;
}
#endif

/* Gives the lock up while it waits, as thread_condition_wait does. */
void lock_wait(struct lock *lock, pthread_cond_t *condition, unsigned long long until_us);

#endif
