/* Builds a frame to be sent, a reply or an event, term by term in a buffer that grows. Large bytes are not copied into
 * it but pinned: they are written from their place in memory. No Python in here: any thread may build one. */
#ifndef PYTHONX_MESSAGE_H
#define PYTHONX_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/span.h"

/* The size of a binary's tag and length. */
#define MESSAGE_BINARY_HEAD ((size_t)5)

struct message_pin {
    size_t offset;     /* where in the buffer the bytes belong */
    const void *bytes; /* must stay valid until release */
    size_t length;
    void (*release)(void *owner);
    void *owner;
};

struct message {
    unsigned char *bytes; /* begins with the frame's length, filled in by message_finish */
    size_t length;
    size_t capacity;      /* as much may be used without message_grow: all that is allocated, or less near the limit */
    size_t allocated;     /* the size of the buffer */
    size_t limit;         /* the most that length may become; 0: there is no limit */
    size_t limited_bytes; /* the most that the limited part may take */
    size_t needed;        /* what that would have taken at least, if over_limit */
    struct message_pin *pins;
    size_t pin_count;
    size_t
        share_from; /* binaries of this many bytes or more may go through segments; 0: none does (shm/large_binary.h) */
    bool share_ids; /* with device and inode of each segment's file */
    unsigned long long *leases; /* numbers of the segments that the message refers to */
    size_t lease_count;
    bool whole;  /* large bytes are copied into the buffer as well, for a caller that reads them there */
    bool failed; /* memory ran short, or over_limit: what follows is ignored, and message_finish reports it */
    bool over_limit;
};

/* An all-zero message owns nothing yet; message_begin starts the next one in the same buffer. */
void message_begin(struct message *message);

/* Frees buffer and pins (whose releases may need the GIL). */
void message_free(struct message *message);

/* Releases the pins alone, after they were written. */
void message_release_pins(struct message *message);

enum message_status { MESSAGE_OK, MESSAGE_NO_MEMORY, MESSAGE_TOO_LONG };

/* Writes the frame's length in front. */
enum message_status message_finish(struct message *message);

/* Limits what is appended from here on to so many bytes, those of pins and segments included. Beyond that nothing is
 * allocated or appended: the message has failed, and over_limit is set. */
void message_set_limit(struct message *message, size_t bytes);

/* Ends the limit for what follows. The message stays as it is, failed or not. */
void message_lift_limit(struct message *message);

/* Returns false, and the message is over its limit, if `size` more bytes are too many. */
bool message_check_limit(struct message *message, size_t size);
static inline bool message_allows(struct message *message, size_t size)
{
    return message->limit == 0 || message_check_limit(message, size);
}

/* Counts bytes that belong to the message but lie outside of its buffer. Returns false if they are too many. */
bool message_count_outside(struct message *message, size_t size);

/* Removes what was appended behind `length`, which holds no pins, and which may have been over the limit. */
void message_cut(struct message *message, size_t length);

/* Returns room for `size` more bytes, which the caller fills and then counts with message_advance; NULL, and the
 * message has failed, if memory is short. */
unsigned char *message_grow(struct message *message, size_t size);
static inline unsigned char *message_reserve(struct message *message, size_t size)
{
    if (message->capacity - message->length >= size && !message->failed)
        return message->bytes + message->length;
    return message_grow(message, size);
}

static inline void message_advance(struct message *message, size_t size)
{
    message->length += size;
}

/* All functions below append one term or the head of one. */
void message_put_raw(struct message *message, const void *bytes, size_t length);
void message_put_term(struct message *message, struct span term);
void message_put_tuple(struct message *message, uint32_t arity);
/* Adds one element to the number that was announced for the outermost tuple, which must be a small one. */
void message_add_element(struct message *message);
void message_put_list(struct message *message, uint32_t length);
/* Fills in the length that was not known yet when message_put_list wrote the four bytes at `offset`. */
void message_patch_length(struct message *message, size_t offset, uint32_t length);
void message_put_nil_list(struct message *message);
void message_put_map(struct message *message, uint32_t pairs);
void message_put_atom(struct message *message, const char *utf8, size_t length);
void message_put_atom_text(struct message *message, const char *ascii);
void message_put_integer(struct message *message, long long value);
void message_put_unsigned(struct message *message, unsigned long long value);
/* Appends an integer of any size: its digits to the base of 256, the lowest first; at most UINT32_MAX of them. */
void message_put_big(struct message *message, const void *digits, size_t length, bool negative);
void message_put_float(struct message *message, double value); /* a finite one */
void message_put_binary(struct message *message, const void *bytes, size_t length);
/* Appends the head of a binary. Returns room for its bytes, which the caller fills and then counts with
 * message_advance; NULL, and the message has failed, if memory is short. */
unsigned char *message_start_binary(struct message *message, size_t length);
/* Appends one binary of two runs of bytes. */
void message_put_binary_of_two(struct message *message, const void *first, size_t first_length, const void *second,
                               size_t second_length);
void message_put_text(struct message *message, const char *text);

/* Appends a binary whose bytes are pinned rather than copied. On success the message owns `owner` and releases it once;
 * returns false, and owns nothing, if memory is short. */
bool message_pin_binary(struct message *message, const void *bytes, size_t length, void (*release)(void *),
                        void *owner);

#endif
