/* epoll(7) where there is one. */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

bool watch_open(struct watch *watch, int input_fd)
{
    watch->input_fd = input_fd;
    watch->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (watch->poll_fd < 0)
        return false;
    struct epoll_event event = {.events = 0};
    if (epoll_ctl(watch->poll_fd, EPOLL_CTL_ADD, input_fd, &event) == 0)
        return true;
    bool is_file = errno == EPERM;
    watch_close(watch);
    return is_file;
}

void watch_close(struct watch *watch)
{
    if (watch->poll_fd >= 0)
        close(watch->poll_fd);
    watch->poll_fd = -1;
}

static void listen_for(struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events};
    if (watch->poll_fd >= 0)
        (void)epoll_ctl(watch->poll_fd, EPOLL_CTL_MOD, watch->input_fd, &event);
}

void watch_arm(struct watch *watch)
{
    listen_for(watch, EPOLLIN);
}

void watch_disarm(struct watch *watch)
{
    listen_for(watch, 0);
}

bool watch_wait(struct watch *watch)
{
    struct epoll_event event;
    if (watch->poll_fd < 0)
        return false;
    while (epoll_wait(watch->poll_fd, &event, 1, -1) < 0)
        if (errno != EINTR)
            return false;
    return true;
}

bool watch_is_readable(const struct watch *watch)
{
    struct pollfd input = {.fd = watch->input_fd, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

bool watch_peer_gone(int output_fd, int milliseconds)
{
    /* With no events asked for, only POLLERR and POLLHUP are told. */
    struct pollfd output = {.fd = output_fd, .events = 0};
    return poll(&output, 1, milliseconds) > 0;
}
