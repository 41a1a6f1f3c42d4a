#include "session/intake.h"

#include "exec/invoke_table.h"
#include "exec/reply.h"
#include "os/schedule.h"
#include "queue/session.h"
#include "queue/timer.h"
#include "session/abort.h"
#include "session/control.h"
#include "session/refuse.h"
#include "wire/protocol.h"

static const char stopped[] = "the session was stopped before this request was run";

/* Returns true if the job was made within a call that waits, which then owns it. */
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
        refuse_request(&request, refusal.kind, refusal.message);
        frame_free(frame);
        return NULL;
    }
    bool has_memory = request_own(&request) || request_is_brief(&request);
    if (has_memory && control_serve(&request)) {
        request_free(&request);
        return NULL;
    }
    struct job *job = has_memory ? job_new(&request) : NULL;
    if (job == NULL) {
        refuse_request(&request, PROTOCOL_EXCEPTION, "there is no memory for the request");
        request_free(&request);
        return NULL;
    }
    bool nested = job->request.within.length > 0 && nest(job);
    if (nested)
        SCHEDULE_POINT(nested_taken);
    return nested ? NULL : job;
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
