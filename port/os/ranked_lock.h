/* Defines locks that have an order: a thread that holds one may take only locks of a higher rank. Debug builds
 * (PYTHONX_CHECKS) abort the process if a thread breaks the order, and name both locks. */
#ifndef PYTHONX_RANKED_LOCK_H
#define PYTHONX_RANKED_LOCK_H

#include <pthread.h>
#include <stdbool.h>

/* The order; the first is taken first. port/README.md lists what each guards. */
enum lock_rank {
    LOCK_SENDING = 1, /* the order of a stream's batches on their way out (exec/stream) */
    LOCK_WRITER,      /* the output descriptor (wire/writer); held while it waits for a slow client */
    LOCK_SEGMENTS,    /* the pool of shared memory (shm/segment) */
    LOCK_SESSION,     /* jobs, invocations, streams, and who reads (queue/session); never held for long */
    LOCK_TIMER,       /* when the timer fires next (queue/timer) */
};

struct ranked_lock {
    pthread_mutex_t mutex;
    enum lock_rank rank;
    const char *name;
};

#define RANKED_LOCK_INITIALIZER(rank_, name_)                                                                          \
    {                                                                                                                  \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .rank = (rank_), .name = (name_)                                           \
    }

#ifdef PYTHONX_CHECKS
void ranked_lock_acquire(struct ranked_lock *lock);
void ranked_lock_release(struct ranked_lock *lock);
/* Aborts the process unless the calling thread holds the lock. */
void ranked_lock_assert_held(const struct ranked_lock *lock);
#else
static inline void ranked_lock_acquire(struct ranked_lock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

static inline void ranked_lock_release(struct ranked_lock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

static inline void ranked_lock_assert_held(const struct ranked_lock *lock)
{
    (void)lock;
}
#endif

/* Releases the lock while it waits, as thread_condition_wait does. */
void ranked_lock_wait(struct ranked_lock *lock, pthread_cond_t *condition, unsigned long long until_us);

#endif
