/* Feeds any bytes as the payload of a frame through all code that reads it without running it, for libFuzzer. A frame
 * is skipped, read as a request and decoded in both ways, and the result is encoded again. */
#include <stdlib.h>
#include <string.h>

#include "codec/decode.h"
#include "codec/encode.h"
#include "codec/refs.h"
#include "codec/structs.h"
#include "erlang_module.h"
#include "exec/compile.h"
#include "exec/request_options.h"
#include "python/buffer.h"
#include "python/py_api.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/request.h"
#include "wire/term.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length);

static void require(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    require(erlang_module_announce() == 0);
    Py_InitializeEx(0);
    PyObject *erlang = PyImport_ImportModule("erlang");
    require(erlang != NULL);
    Py_DECREF(erlang);
    require(buffer_start() == 0 && decode_start() == 0 && refs_start() == 0 && compile_start() == 0 &&
            structs_start(-1) == 0);
    return 0;
}

static void read_request(const unsigned char *bytes, size_t length)
{
    void *copy = malloc(length > 0 ? length : 1);
    struct frame frame = {copy, length, copy};
    struct request request;
    struct request_refusal refusal;
    require(frame.bytes != NULL);
    if (length > 0)
        memcpy(frame.bytes, bytes, length);
    if (request_read(&frame, &request, &refusal)) {
        struct request_options options = {0};
        struct span last = request.arguments;
        if (request_options_read(&last, &options) < 0)
            PyErr_Clear();
        request_options_free(&options);
    } else {
        struct message message = {0};
        message_begin(&message);
        request_put_error(&message, request.id, refusal.kind, refusal.message);
        message_free(&message);
    }
    frame_free(&frame);
    request_free(&request);
}

/* An encoded object is exactly one whole term. */
static void encode(PyObject *object)
{
    struct message message = {0};
    message_begin(&message);
    if (encode_object(&message, object, "value") == 0 && message.pin_count == 0) {
        struct span span = span_of(message.bytes + FRAME_HEADER + 1, message.length - FRAME_HEADER - 1);
        require(term_skip(&span) == TERM_OK && span_left(&span) == 0);
    }
    PyErr_Clear();
    message_free(&message);
}

/* An object comes from a whole term only, and a failure always sets an error. */
static void decode(struct span span, bool as_bytes)
{
    struct span skipped = span;
    enum term_status status = term_skip(&skipped);
    struct decoder decoder = decoder_of(span, as_bytes);
    PyObject *object = decode_term(&decoder, "value");
    require((object == NULL) == (PyErr_Occurred() != NULL));
    PyErr_Clear();
    if (object == NULL)
        return;
    require(status == TERM_OK && decoder.span.position == skipped.position);
    encode(object);
    PyObject *shown = PyObject_Repr(object);
    PyErr_Clear();
    Py_XDECREF(shown);
    Py_DECREF(object);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length)
{
    struct span span = span_of(bytes, length);
    uint8_t version;
    read_request(bytes, length);
    if (span_take_u8(&span, &version) && version == TERM_VERSION) {
        decode(span, false);
        decode(span, true);
    }
    return 0;
}
