/* Waits for the input and for two timers, on behalf of the reader thread: by epoll(7) and timerfd_create(2) if the
 * system has them (poller_epoll.c), else by poll(2), a pipe and a timeout (poller_poll.c). There is one in a process.
 */
#ifndef PYTHONX_POLLER_H
#define PYTHONX_POLLER_H

#include <stdbool.h>

/* The times are those of clock_us. */
enum poller_timer { POLLER_TICK, POLLER_ALARM };
#define POLLER_TIMERS 2

/* Returns false, with errno, if the system has none. *listens: whether the input can wake; a regular file does not. */
bool poller_open(int input_fd, bool *listens);
void poller_close(void);

/* Lets input wake the poller from now on, or not. A hang-up wakes it in either case. */
void poller_watch_input(bool arm);

/* Sets the timer to that time, and to no other; returns false if that fails. */
bool poller_set_timer(enum poller_timer timer, unsigned long long us);

/* Ends the event of a timer that has expired. */
void poller_clear_timer(enum poller_timer timer);

/* From the reader thread alone. A timer's event comes until it is cleared. */
enum poller_event { POLLER_RANG_TICK, POLLER_RANG_ALARM, POLLER_INPUT, POLLER_FAILED };
enum poller_event poller_wait(void);

#endif
