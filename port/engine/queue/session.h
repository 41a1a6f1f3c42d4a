/* Holds the state that the threads of the process share, each part with the lock that guards it. There is one session
 * in a process. State that only code with the GIL uses is in the module that uses it. No Python in here. */
#ifndef PYTHONX_SESSION_H
#define PYTHONX_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "os/ranked_lock.h"
#include "queue/handoff.h"
#include "queue/job.h"
#include "wire/writer.h"

struct frame_reader;
struct stream;

struct session {
    /* Set before other threads start, constant from then on. */
    int input_fd, output_fd;
    size_t max_frame;   /* bytes */
    size_t max_result;  /* bytes of a term that Python sends; 0: no limit */
    unsigned spin_us;   /* how long the idle main thread polls before it sleeps */
    unsigned linger_ms; /* how long requests may go on after the end of input */
    int attach_look_ms; /* how often the idle main thread looks for a debugger; -1: never. Set before `ready` */
    unsigned long long started_us;
    const char *python_version;
    struct writer *writer; /* has a lock of its own; never freed, as other threads may hold it until the end */
    pthread_t main_thread;
    struct frame_reader *frames; /* of the thread that has the input (handoff) */

    /* Any thread may read and set these without a lock. */
    atomic_bool ready;         /* the ready event was sent */
    atomic_bool signals_ready; /* the main thread has Python's handler for HANDOFF_SIGNAL */
    atomic_bool ended;         /* the input has ended */
    atomic_int exit_status;
    atomic_ullong bytes_in;

    struct ranked_lock lock; /* guards all that follows */
    struct jobs jobs;
    struct handoff handoff;
    pthread_cond_t room; /* the queue may have room again */
    bool ending;         /* the session ends: nothing more begins on other threads than the main one */
    bool closed;         /* a stop was served: no request runs any more */
    bool stopping;       /* the requests have had their time after the end of the input */
    struct {
        struct invocation *first;     /* calls to the BEAM that wait (exec/invoke_table) */
        struct invocation *main_wait; /* what the main thread waits for, the innermost first */
        unsigned long long last_number;
        size_t count;
    } invocations;
    struct {
        struct stream *first; /* in the order of their turns (exec/stream) */
        size_t count;
        bool turn; /* a job ran since a stream was stepped */
    } streams;
    struct {
        bool running;     /* the main thread is in the event loop */
        bool aborts_due;  /* tasks have aborts that are not delivered yet */
        size_t blocked;   /* how many waits for the BEAM the main thread has inside it */
        size_t tasks;     /* jobs that are tasks */
        struct job *base; /* the job of the main thread on top of which the loop runs */
    } loop;
};

extern struct session session;

/* Initialises the conditions. Must be called before other threads start. */
void session_init(void);

static inline void session_lock(void)
{
    ranked_lock_acquire(&session.lock);
}

static inline void session_unlock(void)
{
    ranked_lock_release(&session.lock);
}

#endif
