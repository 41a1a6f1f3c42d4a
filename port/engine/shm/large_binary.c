/* Appends bytes by one of four ways: copies them into the message, pins them, copies them into a segment, or leases the
 * segment that they lie in. */
#include "shm/large_binary.h"

#include <stdlib.h>
#include <string.h>

#include "python/errors.h"
#include "python/py_api.h"
#include "shm/segment.h"
#include "wire/frame.h"
#include "wire/protocol.h"

/* From this size on, writing from the object's memory beats copying it. */
#define PIN_SIZE ((size_t)64 * 1024)
/* Copies of this size release the GIL, so that other Python threads run meanwhile. */
#define UNLOCKED_COPY ((size_t)1024 * 1024)

/* The array grows by powers of two: at a power of two it is full. */
static bool note_lease(struct message *message, unsigned long long number)
{
    if ((message->lease_count & (message->lease_count - 1)) == 0) {
        size_t room = message->lease_count > 0 ? 2 * message->lease_count : 1;
        unsigned long long *leases = realloc(message->leases, room * sizeof *leases);
        if (leases == NULL)
            return false;
        message->leases = leases;
    }
    message->leases[message->lease_count++] = number;
    return true;
}

static void copy(unsigned char *to, const void *from, size_t length)
{
    if (length < UNLOCKED_COPY) {
        memcpy(to, from, length);
        return;
    }
    PyThreadState *thread = PyEval_SaveThread();
    memcpy(to, from, length);
    PyEval_RestoreThread(thread);
}

/* Appends a reference to bytes that are in the segment already. */
static bool put_place(struct message *message, const struct segment_lease *lease, size_t offset, size_t length)
{
    if (!note_lease(message, lease->number)) {
        segment_release(lease->number);
        return false;
    }
    message_put_tuple(message, message->share_ids ? 8 : 6);
    message_put_atom_text(message, PROTOCOL_SEGMENT);
    message_put_unsigned(message, lease->number);
    message_put_integer(message, lease->fd);
    message_put_unsigned(message, offset);
    message_put_unsigned(message, length);
    message_put_unsigned(message, lease->size);
    if (message->share_ids) {
        message_put_unsigned(message, lease->id.device);
        message_put_unsigned(message, lease->id.inode);
    }
    return true;
}

/* Returns false, with nothing appended, if no segment is available. */
static bool put_in_segment(struct message *message, const void *bytes, size_t length)
{
    struct segment_lease lease;
    if (!segment_lease(length, &lease))
        return false;
    copy(lease.bytes, bytes, length);
    if (!put_place(message, &lease, 0, length))
        return false;
    (void)message_count_outside(message, length);
    return true;
}

static bool is_shared(const struct message *message, size_t length)
{
    return !message->whole && message->share_from > 0 && length >= message->share_from;
}

int large_binary_put(struct message *message, const void *bytes, size_t length, void (*release)(void *owner),
                     void *owner)
{
    bool pinned = !message->whole && length >= PIN_SIZE;
    if (!message_allows(message, MESSAGE_BINARY_HEAD + length) ||
        (is_shared(message, length) && put_in_segment(message, bytes, length))) {
        release(owner);
        return 0;
    }
    if (length > FRAME_LENGTH_MAX) {
        release(owner);
        PyErr_SetString(errors_EncodeError, "bytes of 4 GiB or more cannot be sent");
        return -1;
    }
    if (pinned && message_pin_binary(message, bytes, length, release, owner)) {
        (void)message_count_outside(message, length);
        return 0;
    }
    if (!pinned)
        message_put_binary(message, bytes, length);
    release(owner);
    return 0;
}

static void release_view(void *owner)
{
    PyBuffer_Release(owner);
    free(owner);
}

int large_binary_put_view(struct message *message, Py_buffer *view)
{
    return large_binary_put(message, view->buf, (size_t)view->len, release_view, view);
}

void large_binary_put_leases(struct message *message)
{
    message_add_element(message);
    message_put_list(message, (uint32_t)message->lease_count);
    for (size_t i = 0; i < message->lease_count; i++)
        message_put_unsigned(message, message->leases[i]);
    message_put_nil_list(message);
}

int large_binary_put_temporary(struct message *message, Py_buffer *view)
{
    struct segment_lease lease;
    size_t length = (size_t)view->len;
    if (!is_shared(message, length) || !message_allows(message, length) ||
        !segment_lease_allocated(view->buf, length, &lease) ||
        !put_place(message, &lease, (size_t)((unsigned char *)view->buf - lease.bytes), length))
        return large_binary_put_view(message, view);
    (void)message_count_outside(message, length);
    release_view(view);
    return 0;
}

void large_binary_detach(const struct message *message)
{
    for (size_t i = 0; i < message->lease_count; i++)
        segment_detach(message->leases[i]);
}

void large_binary_abandon(struct message *message)
{
    for (size_t i = 0; i < message->lease_count; i++)
        segment_release(message->leases[i]);
    message->lease_count = 0;
}
