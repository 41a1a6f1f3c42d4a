/* Locks with flock(2), which the kernel releases with the last descriptor, however its holder ends. */
#include "launcher/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "launcher/input_end.h"
#include "os/exit_status.h"

#define RETRY_MS 50

static int complain(const char *path)
{
    fprintf(stderr, "pythonx_port: %s: %s\n", path, strerror(errno));
    return EXIT_STATUS_FAILURE;
}

static bool ends_within(int fd, int milliseconds)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, milliseconds) > 0 && input_has_ended(fd);
}

int lock_hold(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return complain(path);
    /* No call waits for a lock and for input at once, so it tries again and again. */
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return complain(path);
        if (ends_within(STDIN_FILENO, RETRY_MS))
            return EXIT_STATUS_OK;
    }
    puts("locked");
    fflush(stdout);
    while (!input_has_ended(STDIN_FILENO))
        ;
    return EXIT_STATUS_OK;
}
