/* Decodes the arguments of a request, and runs it. reply.c, event_loop.c or stream.c ends it. */
#include "exec/execute.h"

#include "codec/decode.h"
#include "codec/refs.h"
#include "exec/bindings.h"
#include "exec/captured.h"
#include "exec/compile.h"
#include "exec/event_loop.h"
#include "exec/reply.h"
#include "exec/request_options.h"
#include "exec/resolve.h"
#include "exec/stream.h"
#include "numpy/numpy_allocator.h"
#include "os/schedule.h"
#include "python/errors.h"
#include "python/interrupt.h"
#include "shm/segment_ref.h"
#include "wire/protocol.h"
#include "wire/term.h"

static PyObject *globals;

int execute_start(void)
{
    PyObject *main_module = PyImport_AddModule("__main__");
    if (main_module == NULL)
        return -1;
    globals = Py_NewRef(PyModule_GetDict(main_module));
    return 0;
}

void execute_stop(void)
{
    Py_CLEAR(globals);
}

/* -- arguments ---------------------------------------------------------------------------------------------------- */

static PyObject *refuse_request(const char *what)
{
    PyErr_SetString(errors_BadRequest, what);
    return NULL;
}

/* Decodes a map whose keys are names. */
static PyObject *decode_named(const struct context *context, struct span *span, const char *name)
{
    struct decoder decoder = decoder_of(*span, context->options.bytes);
    decoder.request = &context->job->request;
    decoder.names = true;
    PyObject *object = decode_term(&decoder, name);
    *span = decoder.span;
    return object;
}

static PyObject *decode_argument(struct context *context, const char *name, bool bytes)
{
    struct decoder decoder = decoder_of(context->arguments, bytes);
    decoder.request = &context->job->request;
    PyObject *object = decode_term(&decoder, name);
    context->arguments = decoder.span;
    return object;
}

static int read_options(struct context *context, bool given)
{
    context->options.place.line = 1;
    if (given && request_options_read(&context->arguments, &context->options) < 0)
        return -1;
    if (span_left(&context->arguments) == 0)
        return 0;
    PyErr_Format(errors_DecodeError, "%zu bytes are left behind the request's term", span_left(&context->arguments));
    return -1;
}

/* Skips a byte order mark, with which a file may begin: compile() takes none. */
static struct span without_mark(struct span text)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t length = sizeof mark - 1;
    if (span_left(&text) >= length && memcmp(span_here(&text), mark, length) == 0)
        (void)span_take(&text, length);
    return text;
}

static PyObject *decode_text(struct span code)
{
    code = without_mark(code);
    PyObject *text = PyUnicode_DecodeUTF8((const char *)span_here(&code), (Py_ssize_t)span_left(&code), NULL);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        PyErr_SetString(errors_DecodeError, "code: not UTF-8");
    }
    return text;
}

/* Reads a long text out of the segment that the tuple refers to. */
static PyObject *decode_shared_text(struct context *context, size_t arity)
{
    unsigned char *bytes;
    size_t length;
    PyObject *buffer;
    if (!segment_ref_read(&context->arguments, arity, &bytes, &length, &buffer))
        return refuse_request("code is a binary");
    PyObject *text = buffer == NULL ? NULL : decode_text(span_of(bytes, length));
    if (buffer == NULL && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyObject *error = errors_take();
        PyErr_Format(errors_DecodeError, "code: %S", error);
        Py_XDECREF(error);
    }
    Py_XDECREF(buffer);
    return text;
}

static PyObject *decode_code(struct context *context)
{
    struct term_head head;
    enum term_status status = term_read_head(&context->arguments, &head);
    if (status != TERM_OK)
        return PyErr_Format(errors_DecodeError, "code: %s", term_status_text(status));
    if (head.kind == TERM_TUPLE)
        return decode_shared_text(context, head.children);
    return head.kind == TERM_BINARY ? decode_text(span_of(head.data, head.length)) : refuse_request("code is a binary");
}

/* Decodes a map of names and values; *span moves past it. Returns a new reference; NULL with an error set. */
static PyObject *decode_bindings(const struct context *context, struct span *span, const char *what)
{
    PyObject *bindings = decode_named(context, span, what);
    if (bindings == NULL || PyDict_Check(bindings))
        return bindings == NULL ? NULL : bindings_check(bindings, what);
    Py_DECREF(bindings);
    PyErr_Format(errors_BadRequest, "%s is a map of names and values", what);
    return NULL;
}

/* Returns 0: *bindings is a new reference to a dict, or NULL if the request has no bindings. Returns -1 with an error
 * set. */
static int take_bindings(struct context *context, PyObject **bindings)
{
    *bindings = NULL;
    if (context->options.bindings.length == 0)
        return 0;
    *bindings = decode_bindings(context, &context->options.bindings, "bindings");
    if (*bindings != NULL && PyDict_Size(*bindings) == 0)
        Py_CLEAR(*bindings);
    return PyErr_Occurred() ? -1 : 0;
}

/* Notes that from here on the request's own code runs, which an abort may end. */
static int enter_code(struct context *context)
{
    context->stage = STAGE_CODE;
    context->abortable = true;
    return interrupt_raise(context->job);
}

/* -- the operations ----------------------------------------------------------------------------------------------- */

static PyObject *execute_code(struct context *context, int keep_value)
{
    PyObject *text = decode_code(context), *bindings = NULL, *block = NULL, *value = NULL;
    if (text == NULL || read_options(context, context->job->request.argument_count > 1) < 0 ||
        take_bindings(context, &bindings) < 0 || captured_add(context, text, &bindings) < 0)
        goto done;
    context->stage = STAGE_COMPILE;
    block = compile_code(text, &context->options.place, keep_value, bindings);
    if (block != NULL && enter_code(context) == 0)
        value = compile_evaluate(block, globals, bindings);
done:
    Py_XDECREF(bindings);
    Py_XDECREF(block);
    Py_XDECREF(text);
    return value;
}

/* Keyword names come as binaries or atoms; the function gets plain strings. */
static PyObject *build_plain_keywords(PyObject *keywords)
{
    PyObject *plain = PyDict_New(), *name, *value;
    Py_ssize_t position = 0;
    while (plain != NULL && PyDict_Next(keywords, &position, &name, &value)) {
        PyObject *text =
            PyUnicode_Check(name) ? PyUnicode_FromObject(name) : refuse_request("kwargs: the keys are names");
        if (text == NULL || PyDict_SetItem(plain, text, value) < 0)
            Py_CLEAR(plain);
        Py_XDECREF(text);
    }
    return plain;
}

static PyObject *decode_arguments(struct context *context)
{
    PyObject *list = decode_argument(context, "args", context->options.bytes);
    if (list == NULL)
        return NULL;
    PyObject *arguments = PyList_Check(list) ? PyList_AsTuple(list) : refuse_request("args is a list");
    Py_DECREF(list);
    return arguments;
}

static PyObject *decode_keywords(struct context *context)
{
    if (context->job->request.argument_count < 3)
        return PyDict_New();
    PyObject *map = decode_named(context, &context->arguments, "kwargs");
    if (map == NULL)
        return NULL;
    PyObject *keywords = PyDict_Check(map) ? build_plain_keywords(map) : refuse_request("kwargs is a map");
    Py_DECREF(map);
    return keywords;
}

/* Reads the options first: they come last, but decide how the arguments before them are decoded. */
static int read_options_ahead(struct context *context)
{
    struct span arguments = context->arguments;
    /* If the arguments before the options are wrong, decoding them reports what is wrong. */
    if (context->job->request.options.length == 0)
        return 0;
    context->arguments = context->job->request.options;
    int failed = read_options(context, true);
    context->arguments = arguments;
    return failed;
}

/* Returns 0, or -1 with an error set if the request, which has no code, has an option for code. */
static int refuse_captured(const struct context *context, const char *complaint)
{
    if (context->options.captured.length == 0)
        return 0;
    refuse_request(complaint);
    return -1;
}

static PyObject *execute_call(struct context *context)
{
    PyObject *bindings = NULL, *function = NULL, *arguments = NULL, *keywords = NULL, *value = NULL;
    PyObject *target = decode_argument(context, "target", false);
    if (target == NULL || read_options_ahead(context) < 0)
        goto done;
    arguments = decode_arguments(context);
    keywords = arguments == NULL ? NULL : decode_keywords(context);
    if (keywords == NULL ||
        (context->job->request.options.length == 0 &&
         read_options(context, context->job->request.argument_count == 4) < 0) ||
        refuse_captured(context, "options: call captures nothing") < 0 || take_bindings(context, &bindings) < 0)
        goto done;
    if (enter_code(context) == 0)
        function = resolve_target(target, bindings, globals);
    if (function != NULL)
        value = PyObject_Call(function, arguments, keywords);
done:
    Py_XDECREF(target);
    Py_XDECREF(bindings);
    Py_XDECREF(function);
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    return value;
}

static PyObject *execute_assign(struct context *context)
{
    PyObject *variables = NULL, *value = NULL;
    if (read_options_ahead(context) == 0)
        variables = decode_bindings(context, &context->arguments, "variables");
    if (variables == NULL || (context->job->request.options.length == 0 &&
                              read_options(context, context->job->request.argument_count > 1) < 0))
        goto done;
    if (refuse_captured(context, "options: assign captures nothing") < 0)
        goto done;
    if (context->options.bindings.length > 0) {
        refuse_request("options: assign takes no bindings");
        goto done;
    }
    context->stage = STAGE_CODE;
    if (PyDict_Update(globals, variables) == 0)
        value = Py_NewRef(Py_None);
done:
    Py_XDECREF(variables);
    return value;
}

static PyObject *execute_release(struct context *context)
{
    struct decoder decoder = decoder_of(context->arguments, false);
    decoder.keep_references = true;
    PyObject *list = decode_term(&decoder, "refs");
    context->arguments = decoder.span;
    if (list == NULL || read_options(context, false) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    int failed = refs_release(list);
    Py_DECREF(list);
    return failed ? refuse_request("release takes a list of references") : Py_NewRef(Py_None);
}

static PyObject *execute(struct context *context)
{
    numpy_allocator_offer();
    switch (context->job->request.operation) {
    case OPERATION_eval:
    case OPERATION_stream:
        return execute_code(context, 1);
    case OPERATION_exec:
        return execute_code(context, 0);
    case OPERATION_call:
        return execute_call(context);
    case OPERATION_assign:
        return execute_assign(context);
    case OPERATION_stop:
        return Py_NewRef(Py_None);
    case OPERATION_release:
        return execute_release(context);
    case OPERATION_next:
    case OPERATION_cancel:
    case OPERATION_info:
    case OPERATION_reply:
    case OPERATION_segment:
    case OPERATION_fetch:
    case OPERATION_give_back:
        break; /* handled by session/control */
    }
    PyErr_SetString(PyExc_SystemError, "an operation that does not run");
    return NULL;
}

/* -- from a job to its reply -------------------------------------------------------------------------------------- */

/* Returns true if the value is for the event loop or for a stream, which then owns the value and the context, and ends
 * the job. */
static bool hand_over(struct context *context, PyObject *value)
{
    if (event_loop_takes(context, value))
        return event_loop_begin(context, value);
    return context->job->request.operation == OPERATION_stream && stream_begin(context, value);
}

/* Executes the job in its context, and takes the reference to that over. */
static bool execute_in(struct context *context, struct message *reply)
{
    PyObject *value = execute(context);
    if (value != NULL && hand_over(context, value))
        return false;
    if (PyErr_Occurred())
        Py_CLEAR(value);
    reply_build(context, value, reply);
    Py_DECREF((PyObject *)context);
    return true;
}

bool execute_job(struct job *job, struct message *reply)
{
    SCHEDULE_POINT(job_executes);
    struct context *context = context_new(job);
    bool ended = true;
    if (context != NULL && context_enter(context) == 0) {
        ended = execute_in(context, reply);
        /* A job that became a task or a stream has not ended, but none of its code runs here now. */
        if (!ended)
            (void)context_enter(NULL);
    } else {
        if (context != NULL)
            context_detach(context);
        Py_XDECREF((PyObject *)context);
        reply_build_error(job, "there is no memory for the request", reply);
    }
    PyErr_Clear();
    return ended;
}

void execute_nested(struct job *job)
{
    struct message reply = {0};
    struct context *before = context_switch(NULL);
    if (execute_job(job, &reply))
        reply_write_and_release(job, &reply);
    message_free(&reply);
    context_restore(before);
}
