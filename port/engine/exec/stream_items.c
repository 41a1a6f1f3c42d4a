/* Sends items in batches. The session's lock guards the batches; `sending` keeps them in order while they are sent. It
 * is taken first, and never with the GIL held, because its holder may wait for the client. */
#include "exec/stream_items.h"

#include <stdlib.h>

#include "exec/reply.h"
#include "os/clock.h"
#include "python/emit.h"
#include "queue/session.h"
#include "queue/timer.h"
#include "shm/large_binary.h"
#include "wire/protocol.h"

/* How long an item may be held back for others. */
#define HOLD_US 1000
/* A batch of this many bytes is full. */
#define BATCH_BYTES ((size_t)64 * 1024)

static struct ranked_lock sending = RANKED_LOCK_INITIALIZER(LOCK_SENDING, "sending");

/* Sends the batch. With both locks; the session's is released meanwhile, so that another batch can be begun. */
static void send_batch(struct stream *stream)
{
    if (stream->count == 0)
        return;
    struct message full = stream->batch;
    stream->batch = stream->outgoing;
    stream->outgoing = full;
    message_put_nil_list(&stream->outgoing);
    message_patch_length(&stream->outgoing, stream->count_at, (uint32_t)stream->count);
    stream->count = 0;
    session_unlock();
    if (message_finish(&stream->outgoing) == MESSAGE_OK)
        writer_send(session.writer, &stream->outgoing);
    session_lock();
}

void stream_items_flush(struct stream *stream)
{
    PyThreadState *thread = PyEval_SaveThread();
    ranked_lock_acquire(&sending);
    session_lock();
    send_batch(stream);
    session_unlock();
    ranked_lock_release(&sending);
    PyEval_RestoreThread(thread);
}

/* {yield, Id, or {yields, Id, [ */
static void put_head(struct stream *stream, struct message *message)
{
    bool batches = stream->context->options.batch > 0;
    message_begin(message);
    message_put_tuple(message, 3);
    message_put_atom_text(message, batches ? PROTOCOL_YIELDS : PROTOCOL_YIELD);
    request_put_id(message, stream->context->job->request.id);
    if (batches)
        message_put_list(message, 1);
}

/* An item with pinned bytes is sent alone, after those before it. */
static bool send_item(struct stream *stream)
{
    struct message *item = &stream->item;
    if (stream->context->options.batch > 0)
        message_put_nil_list(item);
    if (item->lease_count > 0)
        large_binary_put_leases(item);
    bool whole = message_finish(item) == MESSAGE_OK;
    if (whole) {
        stream_items_flush(stream);
        emit_message(item);
    } else {
        large_binary_abandon(item);
    }
    item->lease_count = 0;
    message_release_pins(item);
    return whole;
}

/* With the lock. */
static void begin_batch(struct stream *stream)
{
    put_head(stream, &stream->batch);
    stream->count_at = stream->batch.length - sizeof(uint32_t);
    stream->first_us = clock_us();
    timer_at(stream->first_us + HOLD_US);
}

/* Adds the item to the batch. Returns false if there is no memory for it: those before it stay in the batch. *full: the
 * batch must be sent now. */
static bool add_to_batch(struct stream *stream, size_t head, bool *full)
{
    const struct message *item = &stream->item;
    session_lock();
    if (stream->count == 0)
        begin_batch(stream);
    bool has_room = message_reserve(&stream->batch, item->length - head) != NULL;
    if (has_room) {
        message_put_raw(&stream->batch, item->bytes + head, item->length - head);
        stream->count++;
    }
    stream->batch.failed = false;
    *full = stream->count >= stream->context->options.batch || stream->batch.length >= BATCH_BYTES;
    session_unlock();
    return has_room;
}

/* Sends one item, and takes the reference over. Returns 0, or -1 with an error set. */
int stream_items_put(struct stream *stream, PyObject *object)
{
    struct message *item = &stream->item;
    put_head(stream, item);
    size_t head = item->length;
    stream->context->stage = STAGE_ENCODE;
    int failed = reply_put_item(stream->context, object, item);
    stream->context->stage = failed ? STAGE_ENCODE : STAGE_CODE;
    Py_DECREF(object);
    large_binary_detach(item);
    if (failed || item->failed) {
        large_binary_abandon(item);
        message_release_pins(item);
        return failed ? -1 : (PyErr_NoMemory(), -1);
    }
    stream->put++;
    if (stream->context->options.batch > 0 && item->pin_count == 0 && item->lease_count == 0) {
        bool full;
        if (!add_to_batch(stream, head, &full))
            return PyErr_NoMemory(), -1;
        if (full)
            stream_items_flush(stream);
        return 0;
    }
    return send_item(stream) ? 0 : (PyErr_NoMemory(), -1);
}

/* With the lock. */
void stream_items_unlink(struct stream *stream)
{
    struct stream **at = &session.streams.first;
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
}

/* Sends the items that are left, and frees all but the context and the iterator. */
void stream_items_free(struct stream *stream)
{
    stream_items_flush(stream);
    PyThreadState *thread = PyEval_SaveThread();
    ranked_lock_acquire(&sending);
    session_lock();
    stream_items_unlink(stream);
    session.streams.count--;
    session_unlock();
    ranked_lock_release(&sending);
    PyEval_RestoreThread(thread);
    message_free(&stream->batch);
    message_free(&stream->outgoing);
    message_free(&stream->item);
    free(stream);
}

unsigned long long stream_items_next_due(void)
{
    unsigned long long next = 0;
    for (const struct stream *stream = session.streams.first; stream != NULL; stream = stream->next)
        if (stream->count > 0 && (next == 0 || stream->first_us + HOLD_US < next))
            next = stream->first_us + HOLD_US;
    return next;
}

void stream_items_send_due(unsigned long long now_us)
{
    ranked_lock_acquire(&sending);
    session_lock();
    /* Other batches may begin while one is sent, but `sending` keeps all streams in the list. */
    for (struct stream *stream = session.streams.first; stream != NULL; stream = stream->next)
        if (stream->count > 0 && stream->first_us + HOLD_US <= now_us)
            send_batch(stream);
    timer_at(stream_items_next_due());
    session_unlock();
    ranked_lock_release(&sending);
}
