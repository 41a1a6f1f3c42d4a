/* Tells the state of the input and the output by poll(2). */
#ifndef PYTHONX_FD_STATE_H
#define PYTHONX_FD_STATE_H

#include <stdbool.h>

/* True if a read would not block; waits up to `milliseconds` for that (-1: without an end), or until a signal. */
bool fd_is_readable(int fd, int milliseconds);

/* True if the process that reads what is written to the descriptor has gone. Waits up to `milliseconds` for that. */
bool fd_peer_gone(int fd, int milliseconds);

#endif
