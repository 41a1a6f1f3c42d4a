/* Requests that wait for the main thread, in order. Bounded in count and in bytes, so that a client that asks
 * faster than Python answers is held back by its pipe. */
#ifndef PYTHONX_QUEUE_H
#define PYTHONX_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "request.h"

struct queue;

struct queue *queue_new(void);

/* Frees what still waits, too. */
void queue_free(struct queue *queue);

/* Appends; the request's frame is the queue's from here. False, and the frame stays the caller's, where memory is
 * short. Goes over the bound rather than wait: ask queue_has_room first. */
bool queue_put(struct queue *queue, struct request *request);

/* Takes the oldest; false where none waits. */
bool queue_take(struct queue *queue, struct request *request);

bool queue_has_room(struct queue *queue);

/* Waits until there may be room, `milliseconds` at most. */
void queue_wait_room(struct queue *queue, unsigned milliseconds);

size_t queue_length(struct queue *queue);

#endif
