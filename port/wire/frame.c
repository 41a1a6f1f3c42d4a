/* Assembles frames from the pieces that read(2) returns. Small frames are copied out of a buffer that one read may fill
 * with many; the body of a large one is read straight into the buffer that its receiver will own. A frame that cannot
 * be allocated lies in a reserve, which was allocated with the reader. */
#include "wire/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/huge_pages.h"
#include "os/platform.h"

#define READ_AHEAD ((size_t)64 * 1024)
struct frame_reader {
    int fd;
    size_t limit;
    frame_find_bulk *find_bulk;
    /* bytes read ahead: ahead[start..end) */
    unsigned char *ahead;
    size_t start, end;
    /* for a small frame if there is no memory for it, and for the beginning of a refused one */
    unsigned char reserve[FRAME_RESERVE];
    /* the frame under way, if `open` */
    int open;
    int refused;
    struct frame frame;
    size_t announced; /* its length */
    size_t filled;    /* bytes of it that were read, kept or not */
};

struct frame_reader *frame_reader_new(int fd, size_t limit, frame_find_bulk *find_bulk)
{
    struct frame_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->fd = fd;
    reader->limit = limit;
    reader->find_bulk = find_bulk;
    reader->ahead = malloc(READ_AHEAD);
    if (reader->ahead == NULL) {
        free(reader);
        return NULL;
    }
    return reader;
}

void frame_reader_free(struct frame_reader *reader)
{
    if (reader == NULL)
        return;
    frame_free(&reader->frame);
    free(reader->ahead);
    free(reader);
}

bool frame_own(struct frame *frame)
{
    if (frame->allocation != NULL || frame->bytes == NULL)
        return true;
    unsigned char *copy = malloc(frame->length + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, frame->bytes, frame->length);
    frame->allocation = frame->bytes = copy;
    return true;
}

void frame_free(struct frame *frame)
{
    free(frame->allocation);
    *frame = (struct frame){0};
}

static size_t count_ahead(const struct frame_reader *reader)
{
    return reader->end - reader->start;
}

static size_t peek_length(const struct frame_reader *reader)
{
    const unsigned char *at = reader->ahead + reader->start;
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

int frame_reader_has_frame(const struct frame_reader *reader)
{
    return !reader->open && count_ahead(reader) >= FRAME_HEADER &&
           count_ahead(reader) - FRAME_HEADER >= peek_length(reader);
}

size_t frame_reader_announced(const struct frame_reader *reader)
{
    return reader->announced;
}

/* An empty frame still gets a buffer, so that NULL always means that memory is short. */
static void allocate_body(struct frame_reader *reader, size_t length)
{
    size_t bulk = 0;
    if (reader->find_bulk != NULL && length >= FRAME_BULK) {
        size_t there = count_ahead(reader) < length ? count_ahead(reader) : length;
        bulk = reader->find_bulk(reader->ahead + reader->start, there);
    }
    size_t room = length + (bulk > 0 ? FRAME_ALIGNMENT : 1);
    unsigned char *allocation = room > length ? malloc(room) : NULL;
    size_t shift =
        bulk > 0 ? (FRAME_ALIGNMENT - ((uintptr_t)allocation + bulk) % FRAME_ALIGNMENT) % FRAME_ALIGNMENT : 0;
    if (allocation != NULL)
        huge_pages_advise(allocation, room);
    reader->frame.allocation = allocation;
    reader->frame.bytes = allocation == NULL ? NULL : allocation + shift;
}

static void open_frame(struct frame_reader *reader)
{
    size_t length = peek_length(reader);
    reader->start += FRAME_HEADER;
    reader->open = 1;
    reader->announced = length;
    reader->filled = 0;
    reader->refused = length > reader->limit;
    if (!reader->refused)
        allocate_body(reader, length);
    if (reader->frame.bytes == NULL) {
        reader->refused |= length > FRAME_RESERVE;
        reader->frame.bytes = reader->reserve;
    }
    reader->frame.length = 0;
}

/* Returns how many bytes of the frame are kept: all, or the first of a refused one. */
static size_t find_capacity(const struct frame_reader *reader)
{
    if (!reader->refused)
        return reader->announced;
    return reader->announced < FRAME_RESERVE ? reader->announced : FRAME_RESERVE;
}

static void fill_from_ahead(struct frame_reader *reader)
{
    size_t missing = reader->announced - reader->filled;
    size_t count = count_ahead(reader) < missing ? count_ahead(reader) : missing;
    size_t room = find_capacity(reader) - reader->frame.length;
    size_t kept = count < room ? count : room;
    if (kept > 0)
        memcpy(reader->frame.bytes + reader->frame.length, reader->ahead + reader->start, kept);
    reader->frame.length += kept;
    reader->start += count;
    reader->filled += count;
}

/* Takes the next frame out of the bytes read ahead, without a read. Returns FRAME_READY, FRAME_REFUSED or
 * FRAME_WAIT. */
static enum frame_status take_frame(struct frame_reader *reader, struct frame *frame)
{
    if (!reader->open) {
        if (count_ahead(reader) < FRAME_HEADER)
            return FRAME_WAIT;
        open_frame(reader);
    }
    fill_from_ahead(reader);
    if (reader->filled < reader->announced)
        return FRAME_WAIT;
    *frame = reader->frame;
    reader->frame = (struct frame){0};
    reader->open = 0;
    return reader->refused ? FRAME_REFUSED : FRAME_READY;
}

/* The next bytes go straight into the frame if it takes at least as many as the buffer would. */
static int wants_direct_read(const struct frame_reader *reader)
{
    return reader->open && !reader->refused && reader->announced - reader->filled >= READ_AHEAD;
}

static ssize_t read_some(struct frame_reader *reader)
{
    if (wants_direct_read(reader)) {
        ssize_t count = read(reader->fd, reader->frame.bytes + reader->filled,
                             platform_transfer(reader->announced - reader->filled));
        if (count > 0) {
            reader->filled += (size_t)count;
            reader->frame.length = reader->filled;
        }
        return count;
    }
    if (reader->start > 0) {
        memmove(reader->ahead, reader->ahead + reader->start, count_ahead(reader));
        reader->end -= reader->start;
        reader->start = 0;
    }
    ssize_t count = read(reader->fd, reader->ahead + reader->end, READ_AHEAD - reader->end);
    if (count > 0)
        reader->end += (size_t)count;
    return count;
}

enum frame_status frame_reader_next(struct frame_reader *reader, struct frame *frame)
{
    enum frame_status status = take_frame(reader, frame);
    if (status != FRAME_WAIT)
        return status;
    ssize_t count = read_some(reader);
    if (count < 0 && errno == EINTR)
        return FRAME_INTERRUPTED;
    if (count < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? FRAME_WAIT : FRAME_FAILED;
    if (count == 0)
        return reader->open || count_ahead(reader) > 0 ? FRAME_CUT : FRAME_END;
    return take_frame(reader, frame);
}
