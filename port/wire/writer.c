/* Writes frames by writev(2) under one lock; pinned bytes are written from where they lie. The pages of a large pin are
 * leased to the pipe itself (vmsplice(2)), so that the reader's copy out of the pipe is the only one. */
#include "wire/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/platform.h"
#include "os/ranked_lock.h"

#if defined(PLATFORM_IS_LINUX) && defined(F_GETPIPE_SZ)
#    define CAN_SPLICE
#endif

#define VECTORS_AT_ONCE 64
/* A smaller pin is written as usual: leasing pages has a cost, too. */
#define SPLICE_SIZE ((size_t)1024 * 1024)

/* What is kept before writer_begin. */
#define HELD_MAX ((size_t)16 * 1024 * 1024)

/* Whole frames, one behind the other. */
struct held {
    unsigned char *bytes;
    size_t length, capacity;
};

struct writer {
    int fd;
    size_t pipe_size; /* of the pipe that fd is; 0: fd is no pipe, or takes no leased pages */
    struct ranked_lock lock;
    bool holds; /* with the lock */
    struct held held;
    atomic_bool broken;
    atomic_ullong bytes;
};

/* What is left to write of a message: buffer and pins in turn. */
struct cursor {
    const struct message *message;
    size_t position; /* in the buffer */
    size_t pin;      /* next pin */
    size_t pinned;   /* bytes of it already written */
};

struct writer *writer_new(int fd)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return NULL;
    writer->fd = fd;
#ifdef CAN_SPLICE
    int pipe_size = fcntl(fd, F_GETPIPE_SZ);
    writer->pipe_size = pipe_size > 0 ? (size_t)pipe_size : 0;
#endif
    writer->lock = (struct ranked_lock)RANKED_LOCK_INITIALIZER(LOCK_WRITER, "writer");
    return writer;
}

void writer_disable(struct writer *writer)
{
    atomic_store(&writer->broken, true);
}

bool writer_is_broken(const struct writer *writer)
{
    return atomic_load(&writer->broken);
}

unsigned long long writer_bytes(const struct writer *writer)
{
    return atomic_load(&writer->bytes);
}

/* Returns the end of the buffer's piece that starts at `position`: the next pin's place, or the buffer's end. */
static size_t find_piece_end(const struct message *message, size_t pin)
{
    return pin < message->pin_count ? message->pins[pin].offset : message->length;
}

/* Returns how many bytes of the next pin may be leased: all but as many as the pipe holds. These are copied into the
 * pipe, and once they are, it has no page of the pin any more: the pin's owner may change its bytes. This holds for a
 * reader that copies, by read(2) as the BEAM does. One that moves pages on (splice(2), tee(2)) still has them: this
 * cannot be detected, so PROTOCOL.md forbids it. */
static size_t count_leasable(const struct writer *writer, const struct cursor *at)
{
    if (writer->pipe_size == 0 || at->pin == at->message->pin_count || at->position < at->message->pins[at->pin].offset)
        return 0;
    size_t left = at->message->pins[at->pin].length - at->pinned;
    return left >= writer->pipe_size + SPLICE_SIZE ? left - writer->pipe_size : 0;
}

/* Limits `count` pieces to what one write may take. */
static int shorten_vectors(struct iovec *vectors, int count)
{
    size_t left = PLATFORM_TRANSFER_MAX;
    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len >= left) {
            vectors[i].iov_len = left;
            return i + 1;
        }
        left -= vectors[i].iov_len;
    }
    return count;
}

static int gather_vectors(const struct writer *writer, const struct cursor *from, struct iovec *vectors)
{
    struct cursor at = *from;
    int count = 0;
    while (count < VECTORS_AT_ONCE && count_leasable(writer, &at) == 0) {
        size_t end = find_piece_end(at.message, at.pin);
        if (at.position < end) {
            vectors[count++] = (struct iovec){at.message->bytes + at.position, end - at.position};
            at.position = end;
        } else if (at.pin < at.message->pin_count) {
            const struct message_pin *pin = &at.message->pins[at.pin++];
            /* writev only reads, despite the type of iovec. */
            if (pin->length > at.pinned)
                vectors[count++] = (struct iovec){(void *)((uintptr_t)pin->bytes + at.pinned), pin->length - at.pinned};
            at.pinned = 0;
        } else {
            break;
        }
    }
    return shorten_vectors(vectors, count);
}

static void advance_cursor(struct cursor *cursor, size_t written)
{
    while (written > 0) {
        size_t end = find_piece_end(cursor->message, cursor->pin);
        bool in_buffer = cursor->position < end;
        size_t left = in_buffer ? end - cursor->position : cursor->message->pins[cursor->pin].length - cursor->pinned;
        size_t step = written < left ? written : left;
        if (in_buffer)
            cursor->position += step;
        else
            cursor->pinned += step;
        if (!in_buffer && step == left) {
            cursor->pin++;
            cursor->pinned = 0;
        }
        written -= step;
    }
}

/* Writes once. Returns the bytes written, 0 if nothing is left, or -1 with errno. */
static ssize_t write_some(struct writer *writer, const struct cursor *cursor)
{
    struct iovec vectors[VECTORS_AT_ONCE];
#ifdef CAN_SPLICE
    size_t leased = count_leasable(writer, cursor);
    if (leased > 0) {
        const struct message_pin *pin = &cursor->message->pins[cursor->pin];
        struct iovec pages = {(void *)((uintptr_t)pin->bytes + cursor->pinned), leased};
        ssize_t count = vmsplice(writer->fd, &pages, 1, 0);
        if (count >= 0 || errno == EINTR || errno == EAGAIN || errno == EPIPE)
            return count;
        writer->pipe_size = 0; /* not this kind of memory: written as usual */
    }
#endif
    int count = gather_vectors(writer, cursor, vectors);
    if (count == 0)
        return 0;
    return count == 1 ? write(writer->fd, vectors->iov_base, vectors->iov_len) : writev(writer->fd, vectors, count);
}

static bool write_all(struct writer *writer, const struct message *message)
{
    struct cursor cursor = {.message = message};
    for (;;) {
        ssize_t written = write_some(writer, &cursor);
        if (written == 0)
            return true;
        if (written > 0) {
            atomic_fetch_add(&writer->bytes, (unsigned long long)written);
            advance_cursor(&cursor, (size_t)written);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            poll(&(struct pollfd){.fd = writer->fd, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
}

/* -- before the first message ------------------------------------------------------------------------------------- */

static bool make_room(struct held *held, size_t length)
{
    size_t wanted = held->length + length;
    if (length > HELD_MAX || wanted > HELD_MAX)
        return false;
    if (wanted <= held->capacity)
        return true;
    unsigned char *longer = realloc(held->bytes, 2 * wanted);
    if (longer == NULL)
        return false;
    held->bytes = longer;
    held->capacity = 2 * wanted;
    return true;
}

static void hold_bytes(struct held *held, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(held->bytes + held->length, bytes, length);
    held->length += length;
}

/* Keeps a copy of the message. Returns false if there is no room for it: it is lost then. */
static bool hold(struct held *held, const struct message *message)
{
    size_t length = message->length, position = 0;
    for (size_t i = 0; i < message->pin_count; i++)
        length += message->pins[i].length;
    if (!make_room(held, length))
        return false;
    for (size_t i = 0; i < message->pin_count; i++) {
        const struct message_pin *pin = &message->pins[i];
        hold_bytes(held, message->bytes + position, pin->offset - position);
        hold_bytes(held, pin->bytes, pin->length);
        position = pin->offset;
    }
    hold_bytes(held, message->bytes + position, message->length - position);
    return true;
}

void writer_hold(struct writer *writer)
{
    ranked_lock_acquire(&writer->lock);
    writer->holds = true;
    ranked_lock_release(&writer->lock);
}

bool writer_begin(struct writer *writer, const struct message *message)
{
    ranked_lock_acquire(&writer->lock);
    const struct message held = {.bytes = writer->held.bytes, .length = writer->held.length};
    bool whole = !writer_is_broken(writer) && write_all(writer, message) && write_all(writer, &held);
    free(writer->held.bytes);
    writer->held = (struct held){0};
    writer->holds = false;
    ranked_lock_release(&writer->lock);
    if (!whole)
        atomic_store(&writer->broken, true);
    return whole;
}

/* -- sending ------------------------------------------------------------------------------------------------------ */

bool writer_send(struct writer *writer, const struct message *message)
{
    if (writer_is_broken(writer))
        return false;
    ranked_lock_acquire(&writer->lock);
    if (writer->holds) {
        bool held = hold(&writer->held, message);
        ranked_lock_release(&writer->lock);
        return held;
    }
    bool whole = write_all(writer, message);
    ranked_lock_release(&writer->lock);
    if (!whole)
        atomic_store(&writer->broken, true);
    return whole;
}

bool writer_send_and_free(struct writer *writer, struct message *message)
{
    bool sent = message_finish(message) == MESSAGE_OK && writer_send(writer, message);
    message_free(message);
    return sent;
}
