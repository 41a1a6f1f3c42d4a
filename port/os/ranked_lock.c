/* Checks the order of locks, in debug builds, by the list of the locks that each thread holds. */
#include "os/ranked_lock.h"

#include <stdio.h>
#include <stdlib.h>

#include "os/thread.h"

#ifdef PYTHONX_CHECKS

/* A thread holds at most one lock of each rank. */
#    define HELD_MAX 8

static _Thread_local const struct ranked_lock *held[HELD_MAX];
static _Thread_local unsigned held_count;

__attribute__((noreturn)) static void fail(const char *what, const struct ranked_lock *lock,
                                           const struct ranked_lock *other)
{
    fprintf(stderr, "pythonx_port: %s: %s%s%s\n", what, lock->name,
            other == NULL ? "" : ", held: ", other == NULL ? "" : other->name);
    abort();
}

void ranked_lock_acquire(struct ranked_lock *lock)
{
    if (held_count > 0 && held[held_count - 1]->rank >= lock->rank)
        fail("a lock was taken out of order", lock, held[held_count - 1]);
    pthread_mutex_lock(&lock->mutex);
    held[held_count++] = lock;
}

void ranked_lock_release(struct ranked_lock *lock)
{
    unsigned at = held_count;
    while (at > 0 && held[at - 1] != lock)
        at--;
    if (at == 0)
        fail("a lock was released that is not held", lock, NULL);
    for (held_count--; at <= held_count; at++)
        held[at - 1] = held[at];
    pthread_mutex_unlock(&lock->mutex);
}

void ranked_lock_assert_held(const struct ranked_lock *lock)
{
    for (unsigned i = 0; i < held_count; i++)
        if (held[i] == lock)
            return;
    fail("a lock should be held", lock, NULL);
}

#endif

void ranked_lock_wait(struct ranked_lock *lock, pthread_cond_t *condition, unsigned long long until_us)
{
    ranked_lock_assert_held(lock);
    thread_condition_wait(condition, &lock->mutex, until_us);
}
