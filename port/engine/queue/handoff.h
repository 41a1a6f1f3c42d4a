/* Decides which thread reads the input, and wakes the main thread wherever that is.
 *
 * The main thread reads by itself as soon as it is idle: a request that is done in no time then costs neither a switch
 * between threads nor a further system call. Once the main thread has been busy for a while the reader thread takes
 * over. One of them has the input at a time; neither ever waits for the other with a lock held.
 *
 * All functions need the session's lock, but for those that say otherwise. */
#ifndef PYTHONX_HANDOFF_H
#define PYTHONX_HANDOFF_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* Interrupts the main thread. Ignored by default, so that a stray one does no harm. */
#define HANDOFF_SIGNAL SIGURG

enum handoff_input { INPUT_IS_FREE, INPUT_IS_MAINS, INPUT_IS_READERS };

/* Where the main thread is, for those who have something for it to do. */
enum handoff_place {
    MAIN_WORKS,  /* it looks for what to do next when it is done */
    MAIN_READS,  /* in a read or poll of the input: a signal interrupts it */
    MAIN_SLEEPS, /* on main_wake, as the reader thread has the input */
    MAIN_LOOPS,  /* in the event loop, which a byte in a pipe wakes */
};

/* Part of the session; guarded by its lock. */
struct handoff {
    enum handoff_input input;
    enum handoff_place place;
    pthread_cond_t main_wake;
    int wake_out, wake_in; /* the pipe that wakes the event loop */
    bool wake_written;     /* a byte is in it */
    bool handlers_due;     /* Python's signal handlers are to run, and aborts to be delivered to threads */
    bool poked;            /* the main thread was interrupted in its read, and has not noticed yet */
    unsigned long long poke_us;
    unsigned poke_interval;
    bool watchable; /* false if the descriptor cannot be watched (a regular file): the reader thread never reads then */
    bool busy, watched, ticking;
    unsigned long long busy_since, last_busy, tick_us; /* clock_us */
    unsigned long long times_busy, times_seen;
    unsigned quick; /* times busy in a row, each soon after the one before */
};

/* Opens the poller and the pipe. False with errno. Before any other thread. */
bool handoff_start(int input_fd);

/* -- the main thread ------------------------------------------------------------------------------------------------
 */

/* It takes the input, or fails to since the reader thread has it. */
bool handoff_take_input(void);
void handoff_return_input(void);

/* It goes to a place where it may have to be woken, and comes back to work. Returns the place before. */
enum handoff_place handoff_enter(enum handoff_place place);

/* It waits for the reader thread, or for anything else that wakes it; until a time, or 0. */
void handoff_sleep(unsigned long long until_us);

/* The input is its own while it is idle; the reader thread's if it is busy for long. */
void handoff_busy(void);
void handoff_idle(void);

/* Whether a signal came while it waited, or something that its handlers are to do. */
bool handoff_take_handlers_due(void);

/* From within the event loop: empties the pipe. */
void handoff_clear_wake(void);

/* -- any thread -----------------------------------------------------------------------------------------------------
 */

/* There is something for the main thread to do. */
void handoff_wake_main(void);

/* Has the main thread run Python's signal handlers at its next bytecode, or at once if it waits; a blocking system call
 * is cut short. */
void handoff_interrupt_main(void);

/* -- the reader thread and the timer ---------------------------------------------------------------------------------
 */

/* The reader thread takes the input if it is free and the main thread busy. */
bool handoff_take_for_reader(void);
void handoff_return_from_reader(void);

/* What is due at this time; when it is to be called next, 0: not until something else happens. */
unsigned long long handoff_on_timer(unsigned long long now_us);

#endif
