#include "session/intake.h"

#include <stdio.h>

#include "exec/invoke_table.h"
#include "exec/reply.h"
#include "os/schedule.h"
#include "queue/session.h"
#include "queue/timer.h"
#include "session/abort.h"
#include "session/control.h"
#include "wire/protocol.h"

static const char stopped[] = "the session was stopped before this request was run";

static void answer_error(struct span id, const char *kind, const char *text)
{
    struct message message = {0};
    message_begin(&message);
    request_put_error(&message, id, kind, text);
    writer_send_and_free(session.writer, &message);
}

/* True if it was made within a call that waits, and is left with that. */
static bool nest(struct job *job)
{
    session_lock();
    bool nested = invoke_table_nest(job);
    if (nested)
        timer_at(session.jobs.next_event);
    session_unlock();
    return nested;
}

struct job *intake_accept(struct frame *frame)
{
    struct request request;
    struct request_refusal refusal;
    atomic_fetch_add(&session.bytes_in, FRAME_HEADER + frame->length);
    if (!request_read(frame, &request, &refusal)) {
        answer_error(refusal.id, refusal.kind, refusal.message);
        frame_free(frame);
        return NULL;
    }
    if (control_serve(&request)) {
        request_free(&request);
        return NULL;
    }
    struct job *job = job_new(&request);
    if (job == NULL) {
        answer_error(request.id, PROTOCOL_EXCEPTION, "there is no memory for the request");
        request_free(&request);
        return NULL;
    }
    bool nested = job->request.within.length > 0 && nest(job);
    if (nested)
        SCHEDULE_POINT(nested_given);
    return nested ? NULL : job;
}

/* A call whose answer does not get through is not to wait for it: it fails. Takes the request over. */
static void fail_call(struct request *request)
{
    static const unsigned char failure[] = "\x68\x02\x77\x05"
                                           "error"
                                           "\x6d\0\0\0\x25the frame with the answer was refused";
    request->arguments = span_of(failure, sizeof failure - 1);
    session_lock();
    (void)invoke_table_answer(request);
    session_unlock();
}

/* Of a refused frame the first bytes are there: enough to answer under its own id if that came early. */
void intake_refuse(struct frame *frame, size_t announced)
{
    struct request request;
    struct request_refusal refusal;
    char text[160];
    if (announced > session.max_frame)
        snprintf(text, sizeof text, "a frame of %zu bytes is over the limit of %zu (--max-frame)", announced,
                 session.max_frame);
    else
        snprintf(text, sizeof text, "there is no memory for a frame of %zu bytes", announced);
    if (request_read(frame, &request, &refusal)) {
        answer_error(request.id, PROTOCOL_BAD_REQUEST, text);
        if (request.operation == OPERATION_reply)
            fail_call(&request);
        request_free(&request);
        return;
    }
    answer_error(refusal.id, PROTOCOL_BAD_REQUEST, text);
    frame_free(frame);
}

void intake_enqueue(struct job *job)
{
    session_lock();
    bool closed = session.closed;
    if (closed) {
        job->refusal = stopped;
        job_move(job, JOB_ENDED);
    } else {
        job_enqueue(job);
        timer_at(session.jobs.next_event);
        handoff_wake_main();
    }
    session_unlock();
    if (closed)
        reply_to_unbegun(job);
    SCHEDULE_POINT(reader_queued);
}

void intake_start(struct job *job)
{
    session_lock();
    job_start(job, 0);
    timer_at(session.jobs.next_event);
    session_unlock();
}

void intake_close(void)
{
    session_lock();
    session.closed = true;
    (void)job_refuse_queued(stopped);
    session_unlock();
    (void)abort_reply_to_unbegun();
}
