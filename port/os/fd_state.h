/* Checks the state of a descriptor by poll(2). */
#ifndef PYTHONX_FD_STATE_H
#define PYTHONX_FD_STATE_H

#include <stdbool.h>

/* Returns true if a read would not block; waits up to `milliseconds` for that (-1: forever), or until a signal. */
bool fd_is_readable(int fd, int milliseconds);

/* Returns true if the process that reads from the other end of the descriptor has gone. Waits up to `milliseconds` for
 * that. */
bool fd_peer_gone(int fd, int milliseconds);

#endif
