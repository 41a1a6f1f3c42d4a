#include "exec/reply.h"

#include <stdio.h>
#include <unistd.h>

#include "os/exit_status.h"
#include "os/std_fds.h"
#include "python/interrupt.h"
#include "wire/protocol.h"

static struct writer *reply_writer;

void reply_start(struct writer *writer)
{
    reply_writer = writer;
}

/* Code that forked and came back here is a child without a session: the parent goes on with it. */
static void leave_if_forked(void)
{
    if (std_fds_forked())
        _exit(EXIT_STATUS_OK);
}

void reply_make(struct reply *reply, struct run *run, PyObject *value)
{
    struct job *job = run->owner->job;
    interrupt_leave_thread(job);
    reply->timing = run->options.timing;
    reply->replies = run_reply(run, value, &reply->message);
    reply->job = job;
    leave_if_forked();
    job_end(job);
    context_leave(run->owner);
}

void reply_make_error(struct reply *reply, struct job *job, const char *text)
{
    job->failed = true;
    reply->job = job;
    reply->timing = false;
    message_begin(&reply->message);
    request_put_error(&reply->message, job->request.id, PROTOCOL_EXCEPTION, text);
    reply->replies = message_finish(&reply->message) == MESSAGE_OK;
    job_end(job);
}

static void send_timing(const struct job *job)
{
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 4);
    message_put_atom_text(&message, PROTOCOL_TIMING);
    request_put_id(&message, job->request.id);
    message_put_unsigned(&message, job->started_us - job->read_us);
    message_put_unsigned(&message, job->ended_us - job->started_us);
    writer_send_and_free(reply_writer, &message);
}

void reply_send(struct reply *reply)
{
    if (reply->job == NULL)
        return;
    if (!reply->replies) {
        /* A release that was understood is not answered; any other has no reply because there is no memory for it. */
        if (reply->job->request.id.length > 0)
            request_send_error(reply_writer, reply->job->request.id, PROTOCOL_EXCEPTION,
                               "there is no memory for the reply");
        return;
    }
    if (reply->timing)
        send_timing(reply->job);
    writer_send(reply_writer, &reply->message);
}

bool reply_holds_objects(const struct reply *reply)
{
    return reply->job != NULL && (reply->message.pin_count > 0 || reply->job->request.keeper != NULL);
}

void reply_sent(struct reply *reply)
{
    if (reply->job == NULL)
        return;
    if (reply_holds_objects(reply)) {
        message_release_pins(&reply->message);
        Py_XDECREF((PyObject *)reply->job->request.keeper);
    }
    job_free(reply->job);
    reply->job = NULL;
}

void reply_send_now(struct reply *reply)
{
    PyThreadState *thread = PyEval_SaveThread();
    reply_send(reply);
    PyEval_RestoreThread(thread);
    reply_sent(reply);
    message_free(&reply->message);
}

void reply_end(struct run *run, PyObject *value)
{
    struct reply reply = {0};
    struct context *owner = run->owner;
    reply_make(&reply, run, value);
    Py_DECREF((PyObject *)owner);
    reply_send_now(&reply);
}

void reply_verdict(struct job *job)
{
    char text[96];
    bool late = job->verdict == JOB_TIMED_OUT;
    job->failed = true;
    job_end(job);
    if (late)
        snprintf(text, sizeof text, "the request waited longer than its timeout of %llu ms, and did not run",
                 job->request.timeout_ms);
    request_send_error(reply_writer, job->request.id, late ? PROTOCOL_TIMEOUT : PROTOCOL_CANCELLED,
                       late ? text : "the request was cancelled before it ran");
    job_free(job);
}
