/* Where requests come from. The main thread reads for itself while it is idle; while it is busy the reader thread
 * does, answers what must not wait for Python, queues the rest, and sees to it that the process ends when its
 * input has ended. */
#ifndef PYTHONX_READER_H
#define PYTHONX_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/job.h"
#include "wire/writer.h"

struct input;

struct input_options {
    int input_fd, output_fd;
    size_t max_frame;   /* bytes */
    unsigned spin_us;   /* how long input_next polls before it sleeps */
    unsigned linger_ms; /* how long requests may go on after the end of input */
};

/* What to call from the reader thread when the input has ended and the main thread is to stop what it does. */
typedef void input_interrupt(void);

/* Starts the reader thread. The writer is borrowed. NULL, with errno, on failure. */
struct input *input_new(const struct input_options *options, struct writer *writer, input_interrupt *interrupt);

/* The ready event was sent: from here requests are read and answered. Until then the reader thread only sees to it that
 * the process ends when nobody reads its output any more. */
void input_ready(struct input *input);

/* Waits until there is something to do for the main thread; without the GIL. */
enum input_event {
    INPUT_REQUEST, /* *job, the next in order, runs from now on */
    INPUT_STREAM,  /* a stream may go on (stream_step) */
    INPUT_END,     /* the input has ended, and all was taken */
};
enum input_event input_next(struct input *input, struct job **job);

/* For a main thread that waits for something else than its next request: reads at most once and queues what is to run.
 * Returns at once where `arrived` says that it came, and after the given time, at a deadline or at a signal. False
 * where nothing more will come. */
typedef bool input_arrived(void *argument);
bool input_wait(struct input *input, input_arrived *arrived, void *argument, int milliseconds);

/* After a `stop`: what still waits, and what comes later, is refused with an error of kind `shutdown`. */
void input_close(struct input *input);

/* The exit status that the end of input asks for (enum engine_exit). */
int input_exit_status(const struct input *input);

#endif
