/* Sends the items of a stream, in batches if the client wants them: a batch is sent when it is full, when no more items
 * were asked for, when another job must run, and at the latest a millisecond after its first item. */
#ifndef PYTHONX_STREAM_ITEMS_H
#define PYTHONX_STREAM_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "python/context.h"

struct stream {
    struct context *context; /* owned */
    PyObject *iterator;      /* owned; NULL: a task iterates */
    bool stepping;           /* a thread is inside its iterator */
    unsigned long long put;
    struct message item;     /* the item that is being encoded */
    struct message batch;    /* with `count` items, the first of which came at first_us */
    struct message outgoing; /* the batch that is being sent; guarded by `sending` */
    size_t count, count_at;
    unsigned long long first_us;
    struct stream *next;
};
/* Encodes an item, whose reference is taken over, and sends it or adds it to the batch. Returns 0, or -1 with an error
 * set. With the GIL. */
int stream_items_put(struct stream *stream, PyObject *object);

/* Sends the batch that was begun, if there is one. With the GIL, which is released meanwhile. */
void stream_items_flush(struct stream *stream);

/* Sends the items that are left, removes the stream from the session's list, and frees all but the context and the
 * iterator. With the GIL, which is released meanwhile. */
void stream_items_free(struct stream *stream);

/* Only removes the stream from the list, so that it can be added at its end. With the session's lock. */
void stream_items_unlink(struct stream *stream);

/* Returns when stream_items_send_due must be called next; 0: not before the next item. With the session's lock. */
unsigned long long stream_items_next_due(void);

/* Writes the batches whose time has come. It may block. Any thread may call it, without the lock and the GIL. */
void stream_items_send_due(unsigned long long now_us);

#endif
