#include "session/control.h"

#include "exec/event_loop.h"
#include "exec/invoke_table.h"
#include "exec/reply.h"
#include "python/interrupt.h"
#include "queue/job.h"
#include "session/refuse.h"
#include "shm/segment_request.h"
#include "wire/protocol.h"
#include "wire/term.h"

/* For those without a reply of their own the id is nil: that of another request would be taken for its reply. */
static void refuse(struct writer *writer, const char *text)
{
    request_send_error(writer, (struct span){0}, PROTOCOL_BAD_REQUEST, text);
}

static void answer_info(struct writer *writer, const struct request *request, const struct info *info)
{
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 3);
    message_put_atom_text(&message, PROTOCOL_OK);
    request_put_id(&message, request->id);
    info_put(&message, info);
    request_send_reply(writer, &message, request->id);
}

static void answer_segment(struct writer *writer, const struct request *request)
{
    struct message message = {0};
    message_begin(&message);
    if (!message.failed)
        segment_request_lease(&message, request);
    request_send_reply(writer, &message, request->id);
}

void control_interrupt(void)
{
    loop_wake_for_verdicts();
    invoke_table_wake_threads();
    interrupt_main();
}

static void cancel(const struct request *request)
{
    bool runs = false;
    struct job *waited = job_cancel(request->other, &runs);
    if (waited != NULL)
        reply_verdict(waited);
    if (runs)
        control_interrupt();
}

static bool grant(const struct request *request)
{
    struct span span = request->arguments;
    struct term_head head;
    long long count;
    if (term_read_head(&span, &head) != TERM_OK || !term_integer(&head, &count) || count < 1 || span_left(&span) > 0)
        return false;
    if (job_grant(request->other, (unsigned long long)count)) {
        loop_wake();
        invoke_table_wake_threads();
    }
    return true;
}

/* An answer that nobody waits for any more is no error. */
static bool answer(struct request *request)
{
    struct span span = request->arguments;
    if (term_skip(&span) != TERM_OK || span_left(&span) > 0)
        return false;
    (void)invoke_table_answer(request);
    return true;
}

bool control_serve(struct request *request, struct writer *writer, const struct info *info)
{
    switch (request->operation) {
    case OPERATION_info:
        answer_info(writer, request, info);
        return true;
    case OPERATION_segment:
        answer_segment(writer, request);
        return true;
    case OPERATION_give_back:
        if (!segment_request_give_back(request))
            refuse(writer, "give_back takes a list of segment numbers");
        return true;
    case OPERATION_cancel:
        cancel(request);
        return true;
    case OPERATION_next:
        if (!grant(request))
            refuse(writer, "next takes the id of a stream and a number of items, at least 1");
        return true;
    case OPERATION_reply:
        if (!answer(request))
            refuse_request(writer, request, PROTOCOL_BAD_REQUEST,
                           "reply takes the id of a call, and {ok, Value} or {error, Reason}");
        return true;
    case OPERATION_eval:
    case OPERATION_exec:
    case OPERATION_call:
    case OPERATION_stream:
    case OPERATION_release:
    case OPERATION_stop:
        break;
    }
    return false;
}
