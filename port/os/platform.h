/* Names what each system has. PLATFORM_IS_LINUX guards calls that only Linux has: each place that makes one has a
 * portable way as well. PYTHONX_PORTABLE selects the portable way on Linux, too, so that it can be tested there. */
#ifndef PYTHONX_PLATFORM_H
#define PYTHONX_PLATFORM_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__) && !defined(PYTHONX_PORTABLE)
#    define PLATFORM_IS_LINUX
#endif

#ifdef __APPLE__
/* No header of macOS declares it. */
extern char **environ;
#endif

/* Limits one read or write: macOS refuses more than INT_MAX bytes, other systems shorten the call. */
#define PLATFORM_TRANSFER_MAX ((size_t)1 << 30)
static inline size_t platform_transfer(size_t length)
{
    return length < PLATFORM_TRANSFER_MAX ? length : PLATFORM_TRANSFER_MAX;
}

/* Closes a pipe that cannot be used. Keeps errno; returns false. */
static inline bool platform_no_pipe(int ends[2])
{
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    errno = error;
    return false;
}

/* Creates a pipe whose ends no other program inherits. Returns false, with errno, if that fails. */
static inline bool platform_pipe(int ends[2])
{
#ifdef PLATFORM_IS_LINUX
    return pipe2(ends, O_CLOEXEC) == 0;
#else
    /* A child that another thread starts in between keeps an end: this cannot be avoided. */
    if (pipe(ends) != 0)
        return false;
    if (fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0)
        return true;
    return platform_no_pipe(ends);
#endif
}

/* Creates a pipe that wakes a thread: neither end blocks. Returns false, with errno, if that fails. */
static inline bool platform_wake_pipe(int ends[2])
{
    if (!platform_pipe(ends))
        return false;
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0)
        return true;
    return platform_no_pipe(ends);
}

/* memrchr(3) */
static inline const void *platform_find_last(const void *bytes, unsigned char byte, size_t length)
{
#ifdef PLATFORM_IS_LINUX
    return memrchr(bytes, byte, length);
#else
    const unsigned char *start = bytes;
    for (size_t at = length; at > 0; at--)
        if (start[at - 1] == byte)
            return start + at - 1;
    return NULL;
#endif
}

#endif
