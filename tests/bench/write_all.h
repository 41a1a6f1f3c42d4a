/* Writes to standard output, as far as the programs of this folder need it. */
#ifndef PYTHONX_BENCH_WRITE_ALL_H
#define PYTHONX_BENCH_WRITE_ALL_H

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static inline bool write_all(const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, length);
        if (written < 0)
            return false;
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

#endif
