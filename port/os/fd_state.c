#include "os/fd_state.h"

#include <poll.h>

bool fd_is_readable(int fd, int milliseconds)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};
    return poll(&input, 1, milliseconds) > 0;
}

bool fd_peer_gone(int fd, int milliseconds)
{
    /* macOS reports POLLERR and POLLHUP only if an event is requested. */
    struct pollfd output = {.fd = fd, .events = POLLHUP};
    return poll(&output, 1, milliseconds) > 0;
}
