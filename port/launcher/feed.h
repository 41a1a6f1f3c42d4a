/* Puts a process between standard input and this one, for a reader that can only wait for a number of bytes. */
#ifndef PYTHONX_FEED_H
#define PYTHONX_FEED_H

#include <stdbool.h>

/* From here on standard input is a pipe. What was read from it before comes through that pipe as soon as it is there,
 * in pieces: 4 bytes of length, big-endian, and that many bytes. The end is a piece of length 0; the pipe ends without
 * one if reading failed, after a message on stderr that begins with the name. Returns false with errno. */
bool feed_stdin(const char *name);

#endif
