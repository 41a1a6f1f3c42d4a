/* Waits for input on behalf of the reader thread, or for a notification from any other thread. epoll(7) if the system
 * has it (poller_epoll.c), else poll(2) (poller_poll.c). There is one poller in a process. */
#ifndef PYTHONX_POLLER_H
#define PYTHONX_POLLER_H

#include <stdbool.h>

/* Returns false, with errno, if the system has no more descriptors. Sets *watchable to whether the input can wake the
 * poller: a regular file cannot. */
bool poller_open(int input_fd, bool *watchable);
void poller_close(void);

/* From now on input wakes the poller, or does not. A hang-up wakes it in either case. Any thread may call it; it never
 * blocks. */
void poller_watch_input(bool watch);

/* The input has ended: neither it nor its hang-up wakes the poller any more. */
void poller_forget_input(void);

/* Wakes the poller once, now or at its next wait. Any thread may call it; it never blocks. */
void poller_notify(void);

/* From now on bytes that can be read from the descriptor notify the poller, until they are read. Returns false, with
 * errno, if that is not possible. Any thread may call it, once. */
bool poller_add_notifier(int fd);

/* Must be called by the reader thread alone. Waits `milliseconds` at most (-1: forever). */
enum poller_event { POLLER_INPUT, POLLER_NOTIFIED, POLLER_TIMEOUT, POLLER_FAILED };
enum poller_event poller_wait(int milliseconds);

#endif
