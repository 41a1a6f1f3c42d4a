/* Refuses frames and requests, so that no client and no caller in Python waits for what will not come. */
#ifndef PYTHONX_REFUSE_H
#define PYTHONX_REFUSE_H

#include "wire/request.h"

/* Reports the error under the request's own id, or nil if it has none. A `reply` also ends the call that it was meant
 * for, with an erlang.Error in Python. Allocates nothing; the request stays the caller's. */
void refuse_request(const struct request *request, const char *kind, const char *text);

/* Refuses a frame of which only the first bytes were kept (FRAME_REFUSED), which is as long as `announced`, over
 * the limit (--max-frame) or not. Frees it. */
void refuse_frame(struct frame *frame, size_t announced);

#endif
