/* Detects the end of an input whose bytes are ignored, for a process that lasts until its client ends. */
#ifndef PYTHONX_INPUT_END_H
#define PYTHONX_INPUT_END_H

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

/* Reads once. Returns true if there will be no more input. */
static inline bool input_has_ended(int fd)
{
    char bytes[64];
    ssize_t count = read(fd, bytes, sizeof bytes);
    return count == 0 || (count < 0 && errno != EINTR && errno != EAGAIN);
}

#endif
