#include "session/refuse.h"

#include <stdio.h>

#include "exec/invoke_table.h"
#include "queue/session.h"
#include "wire/protocol.h"

/* The call that a refused `reply` was for ends with the same error. */
static void refuse_call(const struct request *request, const char *text)
{
    if (request->operation != OPERATION_reply || request->other.length == 0)
        return;
    session_lock();
    (void)invoke_table_refuse(request->other, text);
    session_unlock();
}

void refuse_request(const struct request *request, const char *kind, const char *text)
{
    request_send_error(session.writer, request->id, kind, text);
    refuse_call(request, text);
}

void refuse_unread(const struct request *request, const struct request_refusal *refusal)
{
    request_send_error(session.writer, refusal->id, refusal->kind, refusal->message);
    refuse_call(request, refusal->message);
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
    bool read = request_read(frame, &request, &refusal);
    request_send_error(session.writer, read ? request.id : refusal.id, PROTOCOL_BAD_REQUEST, text);
    refuse_call(&request, text);
    request_free(&request);
    frame_free(frame);
}
