/* Reads frames: the idle main thread for itself, the reader thread while that is busy (queue/handoff). */
#ifndef PYTHONX_READER_H
#define PYTHONX_READER_H

#include <stdbool.h>

#include "queue/job.h"

/* Opens the input and starts the reader thread. False with errno. */
bool reader_start(void);

/* The ready event was sent: from here requests are read and answered. Until then the reader thread only sees to it that
 * the process ends if the output is read no more. */
void reader_ready(void);

/* From the main thread, which has the input (handoff_take_input), without the lock: reads once, until `until_us` at the
 * latest (0: without an end), and queues the jobs of the frames that came along. If `direct`, the first of them is
 * started and returned instead, for nothing is before it. *interrupted: a signal came instead. */
struct job *reader_read(unsigned long long until_us, bool direct, bool *interrupted);

/* There is something for the reader thread to write: replies to jobs that were ended before they began, batches of
 * streams. From any thread; it does not block. */
void reader_notify(void);

#endif
