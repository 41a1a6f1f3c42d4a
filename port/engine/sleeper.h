/* What the reader thread sleeps on: the input and two timers. epoll(7) and timerfd_create(2) where there are such
 * things (sleeper_epoll.c), else poll(2), a pipe and a timeout (sleeper_poll.c). There is one in a process. */
#ifndef PYTHONX_SLEEPER_H
#define PYTHONX_SLEEPER_H

#include <stdbool.h>

/* The times are those of clock_us. */
enum sleeper_timer { SLEEPER_TICK, SLEEPER_ALARM };
#define SLEEPER_TIMERS 2

/* False, with errno, where none can be had. *listens: whether the input can wake anybody; a regular file does not. */
bool sleeper_open(int input_fd, bool *listens);
void sleeper_close(void);

/* Input wakes from now on, or does not. A hang-up wakes in either case. */
void sleeper_listen(bool arm);

/* The timer rings at that time, and at no other; false where it cannot. */
bool sleeper_set(enum sleeper_timer timer, unsigned long long us);

/* The ring was heard. */
void sleeper_heard(enum sleeper_timer timer);

/* From the reader thread alone. A timer rings until it was heard. */
enum sleeper_event { SLEEPER_RANG_TICK, SLEEPER_RANG_ALARM, SLEEPER_INPUT, SLEEPER_FAILED };
enum sleeper_event sleeper_wait(void);

#endif
