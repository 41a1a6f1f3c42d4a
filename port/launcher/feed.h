/* Puts a process between standard input and this one, for a reader that can only wait for a number of bytes. */
#ifndef PYTHONX_FEED_H
#define PYTHONX_FEED_H

#include <stdbool.h>

/* From here on standard input is a pipe. What was read from it before comes through that pipe immediately, in pieces: 4
 * bytes of length, big-endian, and that many bytes. The end is a piece of length 0; if reading failed, the pipe ends
 * without one, after a message on stderr that begins with the name. Returns false, with errno, if the process cannot be
 * started. */
bool feed_stdin(const char *name);

#endif
