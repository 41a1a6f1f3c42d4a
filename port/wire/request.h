/* Reads a frame as a request: its operation, its id, and where its arguments lie. No Python in here. */
#ifndef PYTHONX_REQUEST_H
#define PYTHONX_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/frame.h"
#include "wire/message.h"
#include "wire/protocol.h"
#include "wire/span.h"
#include "wire/writer.h"

enum operation {
#define OPERATION(name, fewest, most, id) OPERATION_##name,
    PROTOCOL_OPERATIONS(OPERATION)
#undef OPERATION
};

/* The longest `timeout`, in milliseconds. */
#define REQUEST_TIMEOUT_MAX 0xFFFFFFFFLL

struct request {
    enum operation operation;
    struct frame frame; /* owned; the spans below point into it */
    void *keeper; /* the Python object that owns the bytes instead, for arrays that use them; must be dropped, with the
                   * GIL, before request_free */
    struct span id;        /* the id's term, verbatim; empty if the operation has none of its own */
    struct span other;     /* the id of the request or call that a `next`, `cancel` or `reply` is about */
    struct span within;    /* the id of the call that the request was made within, or empty */
    struct span arguments; /* the whole frame, at the first element behind the id */
    size_t argument_count;
    /* Options that matter before the request runs, if they exist and are valid; exec/request_options.h reports what is
     * wrong with the others. */
    struct span options; /* where the option map begins; empty if there is none, or what stands before is wrong */
    bool has_timeout, concurrent;
    unsigned long long timeout_ms;
};

/* Describes what is wrong with a frame that is no request. */
struct request_refusal {
    const char *kind; /* of the error map */
    char message[256];
};

/* Reads the frame's head. Returns true if *request is filled in and owns the frame (*frame is emptied). Returns false
 * if *refusal is filled in, and of *request the operation and ids as far as they were read, which point into the frame;
 * the caller keeps ownership of the frame, and must free it after it has replied. */
bool request_read(struct frame *frame, struct request *request, struct request_refusal *refusal);

void request_free(struct request *request);

/* Gives the request's frame memory of its own (frame_own). */
bool request_own(struct request *request);

/* Returns whether the request is handled at once and then freed: its frame may lie in the reader's reserve. */
bool request_is_brief(const struct request *request);

/* Sends `{error, Id, #{kind => Kind, message => Text}}`, with nil for an empty id, without allocating memory: an error
 * can always be sent. A long text is cut. Returns as writer_send does. */
bool request_send_error(struct writer *writer, struct span id, const char *kind, const char *text);

/* Finishes a message without pins that is the reply to `id`, sends it, and frees it; sends an error instead if there
 * was no memory for it. */
bool request_send_reply(struct writer *writer, struct message *message, struct span id);

/* Writes the beginning of `{error, Id, #{kind => Kind, ...}}`, with nil for an empty id; so many pairs more must
 * follow. */
void request_begin_error(struct message *message, struct span id, const char *kind, uint32_t more);

/* Writes `{error, Id, #{kind => Kind, message => Message}}`. */
void request_put_error(struct message *message, struct span id, const char *kind, const char *text);

/* Appends the id, or nil for an empty one. */
void request_put_id(struct message *message, struct span id);

#endif
