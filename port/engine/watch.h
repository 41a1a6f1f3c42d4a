/* Lets the reader thread sleep until the input is readable, but only while it is armed: while the main thread is
 * idle it reads for itself, and a request then costs no hand-over between threads. */
#ifndef PYTHONX_WATCH_H
#define PYTHONX_WATCH_H

#include <stdbool.h>

struct watch {
    int poll_fd; /* -1 where the descriptor cannot be watched (a regular file): then nothing ever wakes */
    int input_fd;
};

/* False, with errno, where no watch can be had. Starts disarmed. */
bool watch_open(struct watch *watch, int input_fd);
void watch_close(struct watch *watch);

/* From the main thread. A hang-up wakes even a disarmed watch. */
void watch_arm(struct watch *watch);
void watch_disarm(struct watch *watch);

/* From the reader thread: sleeps until armed and readable. False where nothing can ever be watched. */
bool watch_wait(struct watch *watch);

/* True where a read would not block now. */
bool watch_is_readable(const struct watch *watch);

/* True where whoever read our output, or wrote our input, has gone. Sleeps up to `milliseconds` for that. */
bool watch_peer_gone(int output_fd, int milliseconds);

#endif
