/* Refuses frames and requests, so that neither the client nor a Python thread waits forever for an answer. */
#ifndef PYTHONX_REFUSE_H
#define PYTHONX_REFUSE_H

#include "wire/request.h"

/* Reports the error under the request's own id, or nil if it has none. A refused `reply` also ends the call that it
 * answers, with an erlang.Error in Python. The request may be one that request_read has refused. Allocates nothing; the
 * request stays the caller's. */
void refuse_request(const struct request *request, const char *kind, const char *text);

/* Refuses a frame of which only the first bytes were kept (FRAME_REFUSED), and frees it. `announced` is its whole
 * length, which may be over the limit (--max-frame) or not. */
void refuse_frame(struct frame *frame, size_t announced);

#endif
