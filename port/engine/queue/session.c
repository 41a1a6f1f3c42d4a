/* Defines the session, and takes its lock around a fork. */
#include "queue/session.h"

#include "os/thread.h"

struct session session = {.lock = RANKED_LOCK_INITIALIZER(LOCK_SESSION, "session")};

/* A thread that forks holds the lock meanwhile: otherwise the child could find it taken by a thread that it does not
 * have. */
static void before_fork(void)
{
    session_lock();
}

static void after_fork(void)
{
    session_unlock();
}

static void after_fork_in_child(void)
{
    if (session.writer != NULL)
        writer_disable(session.writer);
    session_unlock();
}

void session_init(void)
{
    session.main_thread = pthread_self();
    thread_condition_init(&session.room);
    thread_condition_init(&session.handoff.main_wake);
    (void)pthread_atfork(before_fork, after_fork, after_fork_in_child);
}
