/* Polls with epoll(7), on Linux: to watch the input or to stop watching it wakes no thread. */
#include "os/poller.h"

#include "os/platform.h"

#ifdef PLATFORM_IS_LINUX

#    include <errno.h>
#    include <stdint.h>
#    include <sys/epoll.h>
#    include <sys/eventfd.h>
#    include <unistd.h>

enum source { SOURCE_INPUT, SOURCE_NOTIFICATION };

static int poll_fd = -1, watched_fd = -1, notify_fd = -1;

static bool add(int fd, enum source source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = source};
    return epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool poller_open(int input_fd, bool *watchable)
{
    watched_fd = input_fd;
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poll_fd < 0 || notify_fd < 0 || !add(notify_fd, SOURCE_NOTIFICATION, EPOLLIN))
        return false;
    *watchable = add(input_fd, SOURCE_INPUT, 0);
    return *watchable || errno == EPERM;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void poller_close(void)
{
    close_one(&poll_fd);
    close_one(&notify_fd);
}

void poller_watch_input(bool watch)
{
    struct epoll_event event = {.events = watch ? EPOLLIN : 0, .data.u32 = SOURCE_INPUT};
    (void)epoll_ctl(poll_fd, EPOLL_CTL_MOD, watched_fd, &event);
}

void poller_forget_input(void)
{
    (void)epoll_ctl(poll_fd, EPOLL_CTL_DEL, watched_fd, NULL);
}

void poller_notify(void)
{
    const uint64_t one = 1;
    (void)!write(notify_fd, &one, sizeof one);
}

bool poller_add_notifier(int fd)
{
    return add(fd, SOURCE_NOTIFICATION, EPOLLIN);
}

enum poller_event poller_wait(int milliseconds)
{
    struct epoll_event event;
    uint64_t notifications;
    int count;
    while ((count = epoll_wait(poll_fd, &event, 1, milliseconds)) < 0)
        if (errno != EINTR)
            return POLLER_FAILED;
    if (count == 0)
        return POLLER_TIMEOUT;
    if (event.data.u32 == SOURCE_INPUT)
        return POLLER_INPUT;
    (void)!read(notify_fd, &notifications, sizeof notifications);
    return POLLER_NOTIFIED;
}

#endif
