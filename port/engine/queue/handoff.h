/* When the reader thread is to read: once the main thread has been busy for a while and there is input. Until then it
 * sleeps, for the main thread reads by itself as soon as it is idle, and a request that is done in no time then costs
 * neither a hand-over between threads nor a system call. */
#ifndef PYTHONX_HANDOFF_H
#define PYTHONX_HANDOFF_H

#include <pthread.h>
#include <stdbool.h>

struct handoff {
    int input_fd;
    bool listens;         /* false where the descriptor cannot be watched (a regular file): then input never wakes */
    pthread_mutex_t lock; /* guards what follows */
    bool busy, armed, ticking;
    unsigned long long busy_since; /* microseconds */
    unsigned long long times_busy, times_seen;
    unsigned long long last_busy; /* microseconds */
    unsigned quick;               /* times busy in a row, each soon after the one before */
};

/* False, with errno, where no watch can be had. Starts idle. There is one at a time (sleeper.h). */
bool handoff_open(struct handoff *watch, int input_fd);
void handoff_close(void);

/* From the main thread: it has something to do, or has nothing and reads by itself. */
void handoff_busy(struct handoff *watch);
void handoff_idle(struct handoff *watch);

/* From the reader thread: sleeps until it is its turn to read, the input hung up, or the alarm rang (alarm.h). */
enum handoff_event { HANDOFF_INPUT, HANDOFF_ALARM, HANDOFF_FAILED };
enum handoff_event handoff_wait(struct handoff *watch);

/* True where a read would not block; sleeps up to `milliseconds` for that (-1: for ever), or until a signal. */
bool handoff_is_readable(const struct handoff *watch, int milliseconds);

/* True where whoever read our output, or wrote our input, has gone. Sleeps up to `milliseconds` for that. */
bool handoff_peer_gone(int output_fd, int milliseconds);

#endif
