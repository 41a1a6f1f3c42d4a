/* Reads frames: on the main thread while that is idle, on the reader thread while it is busy (queue/handoff). */
#ifndef PYTHONX_READER_H
#define PYTHONX_READER_H

#include <stdbool.h>

#include "queue/job.h"

/* Opens the input and starts the reader thread. Returns false, with errno, if that fails. */
bool reader_start(void);

/* Must be called when the ready event was sent: from then on requests are read and answered. Before, the reader thread
 * only ends the process if the client does not read the output any more. */
void reader_ready(void);

/* Reads once, until `until_us` at the latest (0: without an end), and queues the jobs of the frames that came along. If
 * `direct` is true, the first of them is started and returned instead, because no other job is before it. *interrupted:
 * a signal came instead. From the main thread, which must have the input (handoff_take_input), without the lock. */
struct job *reader_read(unsigned long long until_us, bool direct, bool *interrupted);

/* Has the reader thread write what is due: replies to jobs that were ended before they began, batches of streams. Any
 * thread may call it; it does not block. */
void reader_notify(void);

#endif
