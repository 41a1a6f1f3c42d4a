/* Reads frames, 4 bytes of length, big-endian, then that many bytes ({packet, 4}), out of the pieces that a descriptor
 * gives. */
#ifndef PYTHONX_FRAME_H
#define PYTHONX_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER 4
#define FRAME_LENGTH_MAX UINT32_MAX

struct frame {
    unsigned char *bytes; /* its holder frees the frame with frame_free */
    size_t length;
    void *allocation; /* what malloc gave; bytes lie in it. NULL: they lie in the reader's reserve (frame_own) */
};

/* A frame of this length is read even if there is no memory for it. */
#define FRAME_RESERVE ((size_t)4096)

enum frame_status {
    FRAME_READY,       /* *frame is whole, and the caller's */
    FRAME_INTERRUPTED, /* a signal came before any byte did */
    FRAME_WAIT,        /* what came does not end a frame yet: read again when the descriptor is readable */
    FRAME_REFUSED,     /* over the limit, or no memory for it: it was read past; *frame holds its first FRAME_RESERVE
                          bytes, in the reader's reserve */
    FRAME_END,         /* end of input between two frames */
    FRAME_CUT,         /* end of input inside a frame */
    FRAME_FAILED,      /* read(2) failed, with errno */
};

struct frame_reader;

/* Looks at the beginning of a large frame. Returns the offset in it at which bytes begin that must lie at an address
 * fit for numbers of any type, or 0 if there are none. */
typedef size_t frame_find_bulk(const unsigned char *start, size_t length);
#define FRAME_ALIGNMENT 64

/* It is called for frames of this length and more. */
#define FRAME_BULK ((size_t)64 * 1024)

/* Returns NULL if memory is short. `limit` is the longest frame that is accepted; `find_bulk` may be NULL. */
struct frame_reader *frame_reader_new(int fd, size_t limit, frame_find_bulk *find_bulk);
void frame_reader_free(struct frame_reader *reader);

/* Takes a frame that was read ahead, else reads once from the descriptor (blocking if the descriptor does) and looks
 * again. */
enum frame_status frame_reader_next(struct frame_reader *reader, struct frame *frame);

/* Returns whether a whole frame was read ahead, so that the next call takes it without a read. */
int frame_reader_has_frame(const struct frame_reader *reader);

/* The length that the last refused or cut frame announced, for messages. */
size_t frame_reader_announced(const struct frame_reader *reader);

void frame_free(struct frame *frame);

/* Gives the frame memory of its own. A frame in the reader's reserve is valid up to the next frame_reader_next: one
 * that is kept for longer must be owned. Returns false, and changes nothing, if memory is short. */
bool frame_own(struct frame *frame);

/* Writes the length in front of a payload, big-endian. */
static inline void frame_put_length(unsigned char header[FRAME_HEADER], size_t length)
{
    header[0] = (unsigned char)(length >> 24);
    header[1] = (unsigned char)(length >> 16);
    header[2] = (unsigned char)(length >> 8);
    header[3] = (unsigned char)length;
}

#endif
