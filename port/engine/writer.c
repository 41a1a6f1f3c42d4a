/* writev(2) under one lock; pinned bytes go from where they lie. */
#include "writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define VECTORS_AT_ONCE 64

struct writer {
    int fd;
    pthread_mutex_t lock;
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
    if (pthread_mutex_init(&writer->lock, NULL) != 0) {
        free(writer);
        return NULL;
    }
    return writer;
}

void writer_free(struct writer *writer)
{
    if (writer == NULL)
        return;
    pthread_mutex_destroy(&writer->lock);
    free(writer);
}

bool writer_is_broken(const struct writer *writer)
{
    return atomic_load(&writer->broken);
}

unsigned long long writer_bytes(const struct writer *writer)
{
    return atomic_load(&writer->bytes);
}

/* The end of the buffer's piece that starts at `position`: the next pin's place, or the buffer's end. */
static size_t piece_end(const struct message *message, size_t pin)
{
    return pin < message->pin_count ? message->pins[pin].offset : message->length;
}

static int gather(const struct cursor *from, struct iovec *vectors)
{
    struct cursor at = *from;
    int count = 0;
    while (count < VECTORS_AT_ONCE) {
        size_t end = piece_end(at.message, at.pin);
        if (at.position < end) {
            vectors[count++] = (struct iovec){at.message->bytes + at.position, end - at.position};
            at.position = end;
        } else if (at.pin < at.message->pin_count) {
            const struct message_pin *pin = &at.message->pins[at.pin++];
            /* writev only reads, whatever iovec's type says. */
            if (pin->length > at.pinned)
                vectors[count++] = (struct iovec){(void *)((uintptr_t)pin->bytes + at.pinned), pin->length - at.pinned};
            at.pinned = 0;
        } else {
            break;
        }
    }
    return count;
}

static void advance(struct cursor *cursor, size_t written)
{
    while (written > 0) {
        size_t end = piece_end(cursor->message, cursor->pin);
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

static bool write_all(struct writer *writer, const struct message *message)
{
    struct cursor cursor = {.message = message};
    for (;;) {
        struct iovec vectors[VECTORS_AT_ONCE];
        int count = gather(&cursor, vectors);
        if (count == 0)
            return true;
        ssize_t written =
            count == 1 ? write(writer->fd, vectors->iov_base, vectors->iov_len) : writev(writer->fd, vectors, count);
        if (written >= 0) {
            atomic_fetch_add(&writer->bytes, (unsigned long long)written);
            advance(&cursor, (size_t)written);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            poll(&(struct pollfd){.fd = writer->fd, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
}

bool writer_send(struct writer *writer, const struct message *message)
{
    if (writer_is_broken(writer))
        return false;
    pthread_mutex_lock(&writer->lock);
    bool whole = write_all(writer, message);
    pthread_mutex_unlock(&writer->lock);
    if (!whole)
        atomic_store(&writer->broken, true);
    return whole;
}
