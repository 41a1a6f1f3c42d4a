/* Decode, run, encode: the middle of a request's way. */
#include "exec/execute.h"

#include "codec/decode.h"
#include "codec/encode.h"
#include "codec/refs.h"
#include "exec/compile.h"
#include "exec/error_reply.h"
#include "exec/resolve.h"
#include "numpy/numpy_allocator.h"
#include "python/errors.h"
#include "python/interrupt.h"
#include "python/output.h"
#include "shm/large_binary.h"
#include "wire/frame.h"
#include "wire/protocol.h"
#include "wire/term.h"

static PyObject *globals;

int run_start(void)
{
    PyObject *main_module = PyImport_AddModule("__main__");
    if (main_module == NULL)
        return -1;
    globals = Py_NewRef(PyModule_GetDict(main_module));
    return 0;
}

/* -- arguments ----------------------------------------------------------------------------------------------------- */

static PyObject *bad_request(const char *what)
{
    PyErr_SetString(errors_BadRequest, what);
    return NULL;
}

/* A map whose keys are names. */
static PyObject *decode_named(const struct run *run, struct span *span, const char *name)
{
    struct decoder decoder = decoder_of(*span, run->options.bytes);
    decoder.request = run->request;
    decoder.names = true;
    PyObject *object = decode_term(&decoder, name);
    *span = decoder.span;
    return object;
}

static PyObject *decode_argument(struct run *run, const char *name, bool bytes)
{
    struct decoder decoder = decoder_of(run->span, bytes);
    decoder.request = run->request;
    PyObject *object = decode_term(&decoder, name);
    run->span = decoder.span;
    return object;
}

static int read_options(struct run *run, bool given)
{
    run->options.place.line = 1;
    if (given && request_options_read(&run->span, &run->options) < 0)
        return -1;
    if (span_left(&run->span) == 0)
        return 0;
    PyErr_Format(errors_DecodeError, "%zu bytes are left behind the request's term", span_left(&run->span));
    return -1;
}

static PyObject *decode_code(struct run *run)
{
    struct term_head head;
    enum term_status status = term_read_head(&run->span, &head);
    if (status != TERM_OK)
        return PyErr_Format(errors_DecodeError, "code: %s", term_status_text(status));
    if (head.kind != TERM_BINARY)
        return bad_request("code is a binary");
    PyObject *text = PyUnicode_DecodeUTF8((const char *)head.data, (Py_ssize_t)head.length, NULL);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        PyErr_SetString(errors_DecodeError, "code: not UTF-8 (in Erlang, write <<\"...\"/utf8>>)");
    }
    return text;
}

static int check_name(PyObject *name)
{
    if (PyUnicode_Check(name) && PyUnicode_IsIdentifier(name) == 1)
        return 0;
    PyErr_Format(errors_BadRequest, "bindings: %R is no Python name", name);
    return -1;
}

static int bind(PyObject *name, PyObject *value)
{
    /* Names are plain strings, also where they came as atoms. */
    PyObject *plain = PyUnicode_FromObject(name);
    int failed = plain == NULL ? -1 : PyDict_SetItem(globals, plain, value);
    Py_XDECREF(plain);
    return failed;
}

static int assign_bindings(struct run *run)
{
    if (run->options.bindings.length == 0)
        return 0;
    PyObject *bindings = decode_named(run, &run->options.bindings, "bindings");
    if (bindings == NULL)
        return -1;
    int failed = 0;
    Py_ssize_t position = 0;
    PyObject *name, *value;
    if (!PyDict_Check(bindings)) {
        bad_request("options: bindings is a map");
        failed = -1;
    }
    /* All of them or none. */
    while (!failed && PyDict_Next(bindings, &position, &name, NULL))
        failed = check_name(name);
    position = 0;
    while (!failed && PyDict_Next(bindings, &position, &name, &value))
        failed = bind(name, value);
    Py_DECREF(bindings);
    return failed;
}

/* From here on the request's own code runs, which a cancel may end. */
static int enter_code(struct run *run)
{
    run->stage = RUN_CODE;
    run->owner->interruptible = true;
    return interrupt_raise(run->owner->job);
}

/* -- the operations ------------------------------------------------------------------------------------------------ */

static PyObject *run_code(struct run *run, int keep_value)
{
    PyObject *text = decode_code(run), *block = NULL, *value = NULL;
    if (text == NULL || read_options(run, run->request->argument_count > 1) < 0 || assign_bindings(run) < 0)
        goto done;
    run->stage = RUN_COMPILE;
    block = compile_code(text, &run->options.place, keep_value);
    if (block != NULL && enter_code(run) == 0)
        value = compile_evaluate(block, globals);
done:
    Py_XDECREF(block);
    Py_XDECREF(text);
    return value;
}

/* Keyword names come as binaries or atoms; what is called sees plain strings. */
static PyObject *plain_keywords(PyObject *keywords)
{
    PyObject *plain = PyDict_New(), *name, *value;
    Py_ssize_t position = 0;
    while (plain != NULL && PyDict_Next(keywords, &position, &name, &value)) {
        PyObject *text = PyUnicode_Check(name) ? PyUnicode_FromObject(name) : bad_request("kwargs: the keys are names");
        if (text == NULL || PyDict_SetItem(plain, text, value) < 0)
            Py_CLEAR(plain);
        Py_XDECREF(text);
    }
    return plain;
}

static PyObject *decode_arguments(struct run *run)
{
    PyObject *list = decode_argument(run, "args", run->options.bytes);
    if (list == NULL)
        return NULL;
    PyObject *arguments = PyList_Check(list) ? PyList_AsTuple(list) : bad_request("args is a list");
    Py_DECREF(list);
    return arguments;
}

static PyObject *decode_keywords(struct run *run)
{
    if (run->request->argument_count < 3)
        return PyDict_New();
    PyObject *map = decode_named(run, &run->span, "kwargs");
    if (map == NULL)
        return NULL;
    PyObject *keywords = PyDict_Check(map) ? plain_keywords(map) : bad_request("kwargs is a map");
    Py_DECREF(map);
    return keywords;
}

/* The options stand last but say how to decode what stands before them. */
static int read_options_ahead(struct run *run)
{
    struct span arguments = run->span;
    /* Where what stands before them is wrong, decoding it tells what. */
    if (run->request->options.length == 0)
        return 0;
    run->span = run->request->options;
    int failed = read_options(run, true);
    run->span = arguments;
    return failed;
}

static PyObject *run_call(struct run *run)
{
    PyObject *function = NULL, *arguments = NULL, *keywords = NULL, *value = NULL;
    PyObject *target = decode_argument(run, "target", false);
    if (target == NULL || read_options_ahead(run) < 0)
        goto done;
    arguments = decode_arguments(run);
    keywords = arguments == NULL ? NULL : decode_keywords(run);
    if (keywords == NULL ||
        (run->request->options.length == 0 && read_options(run, run->request->argument_count == 4) < 0) ||
        assign_bindings(run) < 0)
        goto done;
    if (enter_code(run) == 0)
        function = resolve_target(target, globals);
    if (function != NULL)
        value = PyObject_Call(function, arguments, keywords);
done:
    Py_XDECREF(target);
    Py_XDECREF(function);
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    return value;
}

static PyObject *run_release(struct run *run)
{
    struct decoder decoder = decoder_of(run->span, false);
    decoder.keep_references = true;
    PyObject *list = decode_term(&decoder, "refs");
    run->span = decoder.span;
    if (list == NULL || read_options(run, false) < 0) {
        Py_XDECREF(list);
        return NULL;
    }
    int failed = refs_release(list);
    Py_DECREF(list);
    return failed ? bad_request("release takes a list of references") : Py_NewRef(Py_None);
}

struct run run_begin(struct context *owner)
{
    struct request *request = &owner->job->request;
    return (struct run){.request = request, .owner = owner, .span = request->arguments};
}

PyObject *run_value(struct run *run)
{
    numpy_allocator_offer();
    switch (run->request->operation) {
    case OPERATION_eval:
    case OPERATION_stream:
        return run_code(run, 1);
    case OPERATION_exec:
        return run_code(run, 0);
    case OPERATION_call:
        return run_call(run);
    case OPERATION_stop:
        return Py_NewRef(Py_None);
    case OPERATION_release:
        return run_release(run);
    case OPERATION_next:
    case OPERATION_cancel:
    case OPERATION_info:
    case OPERATION_reply:
    case OPERATION_segment:
    case OPERATION_give_back:
        break; /* answered as it was read */
    }
    PyErr_SetString(PyExc_SystemError, "an operation that does not run");
    return NULL;
}

/* -- the reply ----------------------------------------------------------------------------------------------------- */

int run_put_item(struct run *run, PyObject *item, struct message *message)
{
    message->share_from = run->options.segments;
    if (!run->options.return_ref)
        return encode_object(message, item, "result");
    unsigned long long number = refs_keep(item);
    return number == 0 ? -1 : encode_reference(message, number, item);
}

static int put_value(struct run *run, struct message *reply, PyObject *value)
{
    run->stage = RUN_ENCODE;
    message_put_tuple(reply, 3);
    message_put_atom_text(reply, PROTOCOL_OK);
    request_put_id(reply, run->request->id);
    if (run->request->operation == OPERATION_stream)
        return encode_object(reply, value, "result");
    int failed = run_put_item(run, value, reply);
    if (!failed && reply->lease_count > 0)
        large_binary_put_leases(reply);
    return failed;
}

static const char *error_kind(enum run_stage stage)
{
    const char *interrupted = interrupt_kind();
    if (interrupted != NULL)
        return interrupted;
    if (stage == RUN_DECODE && PyErr_ExceptionMatches(errors_BadRequest))
        return PROTOCOL_BAD_REQUEST;
    if (stage == RUN_DECODE && PyErr_ExceptionMatches(errors_DecodeError))
        return PROTOCOL_UNDECODABLE;
    if (stage == RUN_COMPILE && PyErr_ExceptionMatches(PyExc_SyntaxError))
        return PROTOCOL_SYNTAX;
    return stage == RUN_ENCODE ? PROTOCOL_UNENCODABLE : PROTOCOL_EXCEPTION;
}

static bool is_refusal(enum run_stage stage)
{
    return (stage == RUN_DECODE &&
            (PyErr_ExceptionMatches(errors_BadRequest) || PyErr_ExceptionMatches(errors_DecodeError))) ||
           (stage == RUN_ENCODE && PyErr_ExceptionMatches(errors_EncodeError));
}

static void put_error(struct run *run, struct message *reply)
{
    const char *kind = error_kind(run->stage);
    large_binary_abandon(reply);
    message_begin(reply);
    if (is_refusal(run->stage))
        error_reply_put_refusal(reply, run->request->id, kind);
    else
        error_reply_put(reply, run->request->id, kind);
}

static bool finish(struct run *run, struct message *reply)
{
    enum message_status status = message_finish(reply);
    if (status == MESSAGE_OK)
        return true;
    const char *what = status == MESSAGE_TOO_LONG ? "the result does not fit a frame of 4 GiB"
                                                  : "there is no memory for the result's term";
    large_binary_abandon(reply);
    message_begin(reply);
    request_put_error(reply, run->request->id, PROTOCOL_UNENCODABLE, what);
    return message_finish(reply) == MESSAGE_OK;
}

bool run_reply(struct run *run, PyObject *value, struct message *reply)
{
    message_begin(reply);
    /* A release that was understood is not answered. */
    bool replies = value == NULL || run->request->operation != OPERATION_release;
    if (replies && value != NULL && put_value(run, reply, value) < 0)
        Py_CLEAR(value);
    /* What follows is the engine's work, and not to be cut short. */
    run->owner->interruptible = false;
    if (replies && value == NULL) {
        run->owner->job->failed = true;
        put_error(run, reply);
    }
    PyErr_Clear();
    Py_XDECREF(value);
    large_binary_detach(reply);
    request_options_free(&run->options);
    /* Last, as all of the above may print. */
    output_flush(run->owner);
    return replies && finish(run, reply);
}
