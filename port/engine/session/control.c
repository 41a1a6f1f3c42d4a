#include "session/control.h"

#include "exec/invoke_table.h"
#include "queue/session.h"
#include "session/abort.h"
#include "session/info.h"
#include "session/refuse.h"
#include "shm/segment_request.h"
#include "wire/protocol.h"
#include "wire/term.h"

/* Refuses a request without a reply of its own. The id is nil: that of another request would make it the reply to
 * that. */
static void refuse(const char *text)
{
    request_send_error(session.writer, (struct span){0}, PROTOCOL_BAD_REQUEST, text);
}

static void answer_info(const struct request *request)
{
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 3);
    message_put_atom_text(&message, PROTOCOL_OK);
    request_put_id(&message, request->id);
    info_put(&message);
    request_send_reply(session.writer, &message, request->id);
}

/* `put` writes the whole reply. */
static void answer(const struct request *request, void (*put)(struct message *message, const struct request *request))
{
    struct message message = {0};
    message_begin(&message);
    if (!message.failed)
        put(&message, request);
    request_send_reply(session.writer, &message, request->id);
}

static bool grant(const struct request *request)
{
    struct span span = request->arguments;
    struct term_head head;
    long long count;
    if (term_read_head(&span, &head) != TERM_OK || !term_integer(&head, &count) || count < 1 || span_left(&span) > 0)
        return false;
    session_lock();
    const struct job *job = job_grant(request->other, (unsigned long long)count);
    if (job != NULL && (job->state == JOB_STREAM || job->state == JOB_TASK))
        handoff_wake_main();
    if (job != NULL)
        invoke_table_wake_within(job);
    session_unlock();
    return true;
}

/* An answer to a call that does not wait any more is ignored. */
static bool answer_call(struct request *request)
{
    struct span span = request->arguments;
    if (term_skip(&span) != TERM_OK || span_left(&span) > 0)
        return false;
    session_lock();
    (void)invoke_table_answer(request);
    session_unlock();
    return true;
}

bool control_serve(struct request *request)
{
    switch (request->operation) {
    case OPERATION_info:
        answer_info(request);
        return true;
    case OPERATION_segment:
        answer(request, segment_request_lease);
        return true;
    case OPERATION_fetch:
        answer(request, segment_request_fetch);
        return true;
    case OPERATION_give_back:
        if (!segment_request_give_back(request))
            refuse("give_back takes a list of segment numbers");
        return true;
    case OPERATION_cancel:
        abort_cancel(request->other);
        return true;
    case OPERATION_next:
        if (!grant(request))
            refuse("next takes the id of a stream and a number of items, at least 1");
        return true;
    case OPERATION_reply:
        if (!answer_call(request))
            refuse_request(request, PROTOCOL_BAD_REQUEST,
                           "reply takes the id of a call, and {ok, Value} or {error, Reason}");
        return true;
    case OPERATION_eval:
    case OPERATION_exec:
    case OPERATION_call:
    case OPERATION_stream:
    case OPERATION_assign:
    case OPERATION_release:
    case OPERATION_stop:
        break;
    }
    return false;
}
