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
    void *keeper;       /* the Python object that owns the frame's bytes instead, since arrays look at them; a reference
                           that its holder drops, with the GIL, before request_free */
    struct span id;     /* the id's term as it came; empty if the operation has none of its own */
    struct span other;  /* the same, of the request or call that this is about: of `next`, `cancel`, `reply` */
    struct span within; /* the call that the request came within; else empty */
    struct span arguments; /* the whole frame, at the first element behind the id */
    size_t argument_count;
    /* Options that count before the request runs, if they exist and make sense; exec/request_options.h reports what is
     * wrong with the others. */
    struct span options; /* where the option map begins; empty if there is none, or what stands before is wrong */
    bool has_timeout, concurrent;
    unsigned long long timeout_ms;
};

/* What is wrong with a frame that is no request. */
struct request_refusal {
    const char *kind; /* of the error map */
    struct span id;   /* empty if none could be read; points into the frame */
    char message[256];
};

/* Reads the frame's head. Returns true if *request is filled in and owns the frame (*frame is emptied); false if
 * *refusal is, and the frame stays the caller's, who frees it after answering. */
bool request_read(struct frame *frame, struct request *request, struct request_refusal *refusal);

void request_free(struct request *request);

/* Gives the request's frame memory of its own (frame_own). */
bool request_own(struct request *request);

/* Returns whether the request is served at once and then forgotten: its frame may lie in the reader's reserve. */
bool request_is_brief(const struct request *request);

/* Sends `{error, Id, #{kind => Kind, message => Text}}`, with nil for an empty id, without allocating memory: an error
 * can always be sent. A long text is cut. Returns as writer_send does. */
bool request_send_error(struct writer *writer, struct span id, const char *kind, const char *text);

/* Finishes a message without pins that is the reply to `id`, sends it, and frees it; sends an error in its place if
 * there was no memory for it. */
bool request_send_reply(struct writer *writer, struct message *message, struct span id);

/* Writes `{error, Id, #{kind => Kind, message => Message}}`, with nil for an empty id. */
void request_put_error(struct message *message, struct span id, const char *kind, const char *text);

/* Appends the id, or nil for an empty one. */
void request_put_id(struct message *message, struct span id);

#endif
