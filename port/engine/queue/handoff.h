/* Decides which thread reads the input, and wakes the main thread wherever that is.
 *
 * The main thread reads the input itself as soon as it is idle: a short request then costs neither a switch between
 * threads nor a further system call. Once the main thread has been busy for a while the reader thread takes over. Only
 * one of them has the input at a time; neither ever waits for the other with a lock held.
 *
 * All functions must be called with the session's lock, unless they say otherwise. */
#ifndef PYTHONX_HANDOFF_H
#define PYTHONX_HANDOFF_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* Interrupts the main thread. Ignored by default, so that a stray one does no harm. */
#define HANDOFF_SIGNAL SIGURG

enum handoff_input { INPUT_IS_FREE, INPUT_IS_MAINS, INPUT_IS_READERS };

/* Where the main thread is, which decides how it must be woken. */
enum handoff_place {
    MAIN_WORKS,  /* busy: it looks for work when it is done */
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
    bool handlers_due;     /* Python's signal handlers must run, and threads must get their aborts */
    bool poked;            /* the main thread was interrupted in its read, and has not returned from it yet */
    unsigned long long poke_us;
    unsigned poke_interval;
    bool watchable; /* false if the descriptor cannot be watched (a regular file): the reader thread never reads then */
    bool busy, watched, ticking;
    unsigned long long looked_us;                      /* when the main thread last looked for work */
    unsigned long long busy_since, last_busy, tick_us; /* clock_us */
    unsigned long long times_busy, times_seen;
    unsigned quick; /* times busy in a row, each soon after the one before */
};

/* Opens the poller and the pipe. Returns false, with errno, if that fails. Must be called before any other thread
 * starts. */
bool handoff_start(int input_fd);

/* -- the main thread ---------------------------------------------------------------------------------------------- */

/* Takes the input. Returns false if the reader thread has it. */
bool handoff_take_input(void);
void handoff_return_input(void);

/* Notes that the main thread goes to a place in which it must be woken, or that it works again. Returns the place
 * before. */
enum handoff_place handoff_enter(enum handoff_place place);

/* Sleeps until the reader thread, or anything else, wakes the main thread, or until that time (0: without an end). */
void handoff_sleep(unsigned long long until_us);

/* Notes that the main thread has looked for work, as it does between any two pieces of it. */
void handoff_looked(void);

/* Notes that the main thread is busy, or idle: an idle one has the input for itself, one that is busy for long leaves
 * it to the reader thread. A busy one has looked for work. */
void handoff_busy(void);
void handoff_idle(void);

/* Returns whether Python's signal handlers must run, or threads must get their aborts; clears that. */
bool handoff_take_handlers_due(void);

/* Empties the pipe. From within the event loop. */
void handoff_clear_wake(void);

/* -- any thread --------------------------------------------------------------------------------------------------- */

/* Wakes the main thread, as there is work for it. */
void handoff_wake_main(void);

/* Makes the main thread run Python's signal handlers at its next bytecode, or at once if it waits; a blocking system
 * call is cut short. */
void handoff_interrupt_main(void);

/* Has the main thread run Python's signal handlers if it waits; one that works is left alone. */
void handoff_look(void);

/* -- the reader thread and the timer ------------------------------------------------------------------------------ */

/* Takes the input for the reader thread. Returns false unless the input is free and the main thread busy. */
bool handoff_take_for_reader(void);
void handoff_return_from_reader(void);

/* Does what is due at this time. Returns when it must be called next; 0: not until another function is called. */
unsigned long long handoff_on_timer(unsigned long long now_us);

#endif
