/* Refuses frames and requests, so that neither the client nor a Python thread waits forever for an answer. */
#ifndef PYTHONX_REFUSE_H
#define PYTHONX_REFUSE_H

#include "wire/request.h"

/* Reports the error under the request's own id, or nil if it has none. A refused `reply` also ends the call that it
 * answers, with an erlang.Error in Python. Allocates nothing; the request stays the caller's. */
void refuse_request(const struct request *request, const char *kind, const char *text);

/* The same for a frame that request_read refused, with what it told. */
void refuse_unread(const struct request *request, const struct request_refusal *refusal);

/* Refuses a frame of which only the first bytes were kept (FRAME_REFUSED), and frees it. `announced` is its whole
 * length, which may be over the limit (--max-frame) or not. */
void refuse_frame(struct frame *frame, size_t announced);

#endif
