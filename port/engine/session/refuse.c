#include "session/refuse.h"

#include <stdio.h>

#include "exec/invoke_table.h"
#include "wire/protocol.h"

void refuse_request(struct writer *writer, const struct request *request, const char *kind, const char *text)
{
    if (request->operation == OPERATION_reply)
        (void)invoke_table_refuse(request->other, text);
    request_send_error(writer, request->id, kind, text);
}

/* The first bytes are enough for a request's operation and id, unless the id is as long as all of them. */
void refuse_frame(struct writer *writer, struct frame *frame, size_t announced, size_t max_frame)
{
    struct request request;
    struct request_refusal refusal;
    char text[160];
    if (announced > max_frame)
        snprintf(text, sizeof text, "a frame of %zu bytes is over the limit of %zu (--max-frame)", announced,
                 max_frame);
    else
        snprintf(text, sizeof text, "there is no memory for a frame of %zu bytes", announced);
    if (request_read(frame, &request, &refusal))
        refuse_request(writer, &request, PROTOCOL_BAD_REQUEST, text);
    else
        request_send_error(writer, refusal.id, PROTOCOL_BAD_REQUEST, text);
    request_free(&request);
    frame_free(frame);
}
