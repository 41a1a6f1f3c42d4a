/* Builds, writes and releases replies; those that need no Python have functions of their own. */
#include "exec/reply.h"

#include <stdio.h>

#include "codec/encode.h"
#include "codec/refs.h"
#include "codec/rich.h"
#include "codec/typed.h"
#include "exec/error_reply.h"
#include "exec/request_options.h"
#include "os/schedule.h"
#include "python/emit.h"
#include "python/errors.h"
#include "python/forked_child.h"
#include "python/interrupt.h"
#include "python/output.h"
#include "queue/session.h"
#include "shm/large_binary.h"
#include "wire/protocol.h"

/* -- the value ---------------------------------------------------------------------------------------------------- */

/* Returns the smaller of the limits that the session and the request have; 0: there is none. */
static size_t result_limit(const struct context *context)
{
    size_t asked = context->options.max_result, most = session.max_result;
    return asked > 0 && (most == 0 || asked < most) ? asked : most;
}

static int put_reference(const struct context *context, PyObject *item, struct message *message)
{
    PyObject *name = context->options.types == NULL ? NULL : typed_find(context->options.types, item);
    if (name == NULL && PyErr_Occurred())
        return -1;
    int failed = name == NULL ? 0 : typed_put_head(message, name, item);
    Py_XDECREF(name);
    unsigned long long number = failed ? 0 : refs_keep(item);
    return number == 0 ? -1 : encode_reference(message, number, item);
}

static int put_rich(const struct context *context, PyObject *item, struct message *message)
{
    PyObject *shown = Py_IsNone(item) ? Py_NewRef(item) : rich_describe(item);
    int failed = shown == NULL ? -1 : encode_object_within(message, shown, "result", result_limit(context));
    Py_XDECREF(shown);
    return failed;
}

int reply_put_item(struct context *context, PyObject *item, struct message *message)
{
    const struct request_options *options = &context->options;
    message->share_from = options->segments;
    message->share_ids = options->segment_ids;
    if (options->returns == RETURN_REF)
        return put_reference(context, item, message);
    if (options->returns == RETURN_RICH)
        return put_rich(context, item, message);
    return encode_result(message, item, options->types, result_limit(context));
}

static int put_value(struct context *context, struct message *reply, PyObject *value)
{
    const struct request *request = &context->job->request;
    context->stage = STAGE_ENCODE;
    message_put_tuple(reply, 3);
    message_put_atom_text(reply, PROTOCOL_OK);
    request_put_id(reply, request->id);
    if (request->operation == OPERATION_stream)
        return encode_object(reply, value, "result");
    int failed = reply_put_item(context, value, reply);
    if (!failed && reply->lease_count > 0)
        large_binary_put_leases(reply);
    return failed;
}

/* -- the error ---------------------------------------------------------------------------------------------------- */

static const char *find_error_kind(enum context_stage stage)
{
    const char *interrupted = interrupt_kind();
    if (interrupted != NULL)
        return interrupted;
    if (stage == STAGE_DECODE && PyErr_ExceptionMatches(errors_BadRequest))
        return PROTOCOL_BAD_REQUEST;
    if (stage == STAGE_DECODE && PyErr_ExceptionMatches(errors_DecodeError))
        return PROTOCOL_UNDECODABLE;
    if (stage == STAGE_COMPILE && PyErr_ExceptionMatches(PyExc_SyntaxError))
        return PROTOCOL_SYNTAX;
    return stage == STAGE_ENCODE ? PROTOCOL_UNENCODABLE : PROTOCOL_EXCEPTION;
}

static bool is_refusal(enum context_stage stage)
{
    return (stage == STAGE_DECODE &&
            (PyErr_ExceptionMatches(errors_BadRequest) || PyErr_ExceptionMatches(errors_DecodeError))) ||
           (stage == STAGE_ENCODE && PyErr_ExceptionMatches(errors_EncodeError));
}

static void put_error(struct context *context, struct message *reply)
{
    struct span id = context->job->request.id;
    interrupt_name_abort(context->job);
    const char *kind = find_error_kind(context->stage);
    large_binary_abandon(reply);
    message_begin(reply);
    if (is_refusal(context->stage))
        error_reply_put_refusal(reply, id, kind);
    else
        error_reply_put(reply, id, kind);
}

/* -- build -------------------------------------------------------------------------------------------------------- */

static bool finish_message(const struct job *job, struct message *reply)
{
    enum message_status status = message_finish(reply);
    if (status == MESSAGE_OK)
        return true;
    const char *what = status == MESSAGE_TOO_LONG ? "the result takes more than 4 GiB, the most that can be sent"
                                                  : "there is no memory to send the result";
    large_binary_abandon(reply);
    message_begin(reply);
    request_put_error(reply, job->request.id, PROTOCOL_UNENCODABLE, what);
    return message_finish(reply) == MESSAGE_OK;
}

/* Returns whether *reply must be sent. */
static bool build_message(struct context *context, PyObject *value, struct message *reply)
{
    struct job *job = context->job;
    message_begin(reply);
    /* A release that succeeds has no reply. */
    bool replies = value == NULL || job->request.operation != OPERATION_release;
    if (replies && value != NULL && put_value(context, reply, value) < 0)
        Py_CLEAR(value);
    /* The rest is the engine's work, which must not be cut short. */
    context->abortable = false;
    interrupt_leave_thread(job);
    if (replies && value == NULL) {
        job->failed = true;
        put_error(context, reply);
    }
    PyErr_Clear();
    Py_XDECREF(value);
    large_binary_detach(reply);
    request_options_free(&context->options);
    /* Flushed last, as all of the above may print. */
    output_flush(context);
    return replies && finish_message(job, reply);
}

static void finish_job(struct job *job)
{
    session_lock();
    session.jobs.replying += job->thread != 0;
    job_finish(job);
    /* The main thread may wait for this one, the last, at the end of the input. */
    if (job->thread != 0)
        handoff_wake_main();
    session_unlock();
}

void reply_build(struct context *context, PyObject *value, struct message *reply)
{
    struct job *job = context->job;
    forked_child_leave();
    job->timing = context->options.timing;
    job->replies = build_message(context, value, reply);
    forked_child_leave();
    finish_job(job);
    context_detach(context);
}

void reply_build_error(struct job *job, const char *text, struct message *reply)
{
    job->failed = true;
    message_begin(reply);
    request_put_error(reply, job->request.id, PROTOCOL_EXCEPTION, text);
    job->replies = message_finish(reply) == MESSAGE_OK;
    finish_job(job);
}

/* -- write, release ----------------------------------------------------------------------------------------------- */

static void write_timing(const struct job *job)
{
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 4);
    message_put_atom_text(&message, PROTOCOL_TIMING);
    request_put_id(&message, job->request.id);
    message_put_unsigned(&message, job->started_us - job->read_us);
    message_put_unsigned(&message, job->ended_us - job->started_us);
    writer_send_and_free(session.writer, &message);
}

void reply_write(struct job *job, const struct message *reply)
{
    SCHEDULE_POINT(job_before_reply);
    /* A release that succeeds has no reply; any other job has none because there is no memory for it. */
    if (!job->replies && job->request.id.length > 0)
        request_send_error(session.writer, job->request.id, PROTOCOL_EXCEPTION, "there is no memory for the reply");
    if (job->replies && job->timing)
        write_timing(job);
    if (job->replies)
        writer_send(session.writer, reply);
    if (job->thread != 0) {
        session_lock();
        session.jobs.replying--;
        session_unlock();
    }
    SCHEDULE_POINT(job_after_reply);
}

bool reply_holds_objects(const struct job *job, const struct message *reply)
{
    return reply->pin_count > 0 || job->request.keeper != NULL;
}

void reply_release(struct job *job, struct message *reply)
{
    if (reply_holds_objects(job, reply)) {
        message_release_pins(reply);
        Py_XDECREF((PyObject *)job->request.keeper);
    }
    job_free(job);
}

void reply_write_and_release(struct job *job, struct message *reply)
{
    PyThreadState *thread = PyEval_SaveThread();
    reply_write(job, reply);
    PyEval_RestoreThread(thread);
    reply_release(job, reply);
}

void reply_end(struct context *context, PyObject *value)
{
    struct message reply = {0};
    struct job *job = context->job;
    reply_build(context, value, &reply);
    Py_DECREF((PyObject *)context);
    reply_write_and_release(job, &reply);
    message_free(&reply);
}

/* -- without Python ----------------------------------------------------------------------------------------------- */

void reply_to_unbegun(struct job *job)
{
    char late[96];
    const char *kind = PROTOCOL_SHUTDOWN, *text = job->refusal;
    switch (job->abort) {
    case JOB_ABORT_CANCELLED:
        kind = PROTOCOL_CANCELLED;
        text = "the request was cancelled before it ran";
        break;
    case JOB_ABORT_TIMED_OUT:
        kind = PROTOCOL_TIMEOUT;
        snprintf(late, sizeof late, "the request waited longer than its timeout of %llu ms, and did not run",
                 job->request.timeout_ms);
        text = late;
        break;
    case JOB_ABORT_STOPPED:
    case JOB_ABORT_NONE:
        break;
    }
    if (job->request.id.length > 0)
        request_send_error(session.writer, job->request.id, kind, text);
    job_free(job);
}
