/* Copies standard input in a child process, which ends with its input, or as soon as its reader has gone. */
#include "launcher/feed.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/platform.h"

#define HEAD_SIZE 4
#define PIECE_SIZE 65536

static bool write_all(int fd, const unsigned char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, bytes, length);
        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0) {
            bytes += count;
            length -= (size_t)count;
        }
    }
    return true;
}

/* Waits for input. Returns its length: 0 at the end, -1 with errno. */
static ssize_t read_piece(int out, unsigned char *bytes)
{
    for (;;) {
        struct pollfd ends[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = out}};
        /* Without its reader, the child must not read any more input, nor wait for it. */
        if (poll(ends, 2, -1) > 0 && ends[1].revents != 0) {
            errno = EPIPE;
            return -1;
        }
        ssize_t count = read(STDIN_FILENO, bytes, PIECE_SIZE);
        if (count >= 0 || (errno != EINTR && errno != EAGAIN))
            return count;
    }
}

static void copy(int out, const char *name)
{
    static unsigned char piece[HEAD_SIZE + PIECE_SIZE];
    ssize_t count;
    do {
        count = read_piece(out, piece + HEAD_SIZE);
        if (count < 0) {
            if (errno != EPIPE)
                fprintf(stderr, "%s: cannot read: %s\n", name, strerror(errno));
            return;
        }
        for (int i = 0; i < HEAD_SIZE; i++)
            piece[i] = (unsigned char)((size_t)count >> (8 * (HEAD_SIZE - 1 - i)));
    } while (write_all(out, piece, HEAD_SIZE + (size_t)count) && count > 0);
}

bool feed_stdin(const char *name)
{
    int ends[2];
    if (!platform_pipe(ends))
        return false;
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        copy(ends[1], name);
        _exit(0);
    }
    bool fed = child > 0 && dup2(ends[0], STDIN_FILENO) >= 0;
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    errno = error;
    return fed;
}
