#include "session/refuse.h"

#include <stdio.h>

#include "exec/invoke_table.h"
#include "queue/session.h"
#include "wire/protocol.h"

void refuse_request(const struct request *request, const char *kind, const char *text)
{
    request_send_error(session.writer, request->id, kind, text);
    if (request->operation != OPERATION_reply || request->other.length == 0)
        return;
    session_lock();
    (void)invoke_table_refuse(request->other, text);
    session_unlock();
}

/* The first bytes contain a request's operation and id, unless the id is as long as all of them. */
void refuse_frame(struct frame *frame, size_t announced)
{
    struct request request;
    struct request_refusal refusal;
    char text[160];
    if (announced > session.max_frame)
        snprintf(text, sizeof text, "a frame of %zu bytes is over the limit of %zu (--max-frame)", announced,
                 session.max_frame);
    else
        snprintf(text, sizeof text, "there is no memory for a frame of %zu bytes", announced);
    (void)request_read(frame, &request, &refusal);
    refuse_request(&request, PROTOCOL_BAD_REQUEST, text);
    request_free(&request);
    frame_free(frame);
}
