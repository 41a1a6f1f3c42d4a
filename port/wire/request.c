/* Reads the head of a request, and the options that matter before it runs. The arguments are checked by the code that
 * decodes them. */
#include "wire/request.h"

#include <stdarg.h>
#include <stdio.h>

#include "wire/term.h"

/* An error's text is cut to so many bytes, and its whole message, without the id, fits a buffer on the stack. */
#define ERROR_TEXT 512
#define ERROR_ROOM (ERROR_TEXT + 128)

enum id { NONE, OWN, OTHER };

static const struct {
    const char *name;
    size_t fewest, most; /* elements of the tuple, the name included */
    enum id id;          /* what its second element is */
} operations[] = {
#define OPERATION(name, fewest, most, id) [OPERATION_##name] = {#name, fewest, most, id},
    PROTOCOL_OPERATIONS(OPERATION)
#undef OPERATION
};

#define OPERATION_COUNT (sizeof operations / sizeof *operations)

__attribute__((format(printf, 3, 4))) static bool refuse(struct request_refusal *refusal, const char *kind,
                                                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(refusal->message, sizeof refusal->message, format, arguments);
    va_end(arguments);
    refusal->kind = kind;
    return false;
}

static bool refuse_term(struct request_refusal *refusal, enum term_status status, const struct span *span)
{
    const char *where = span_left(span) > 0 ? "" : " (it ends there)";
    return refuse(refusal, PROTOCOL_UNDECODABLE, "byte %zu of the frame%s: %s", span->position, where,
                  term_status_text(status));
}

static bool find_operation(const struct term_head *name, enum operation *operation)
{
    for (size_t i = 0; i < OPERATION_COUNT; i++) {
        if (term_is_atom(name, operations[i].name)) {
            *operation = (enum operation)i;
            return true;
        }
    }
    return false;
}

/* Returns the size of the id at the span's position if it is a small integer, as most are; else 0. */
static size_t peek_small_id(const struct span *span)
{
    size_t left = span_left(span);
    if (left >= 2 && *span_here(span) == TERM_TAG_SMALL_INTEGER)
        return 2;
    return left >= 5 && *span_here(span) == TERM_TAG_INTEGER ? 5 : 0;
}

/* The id is kept as the bytes that came: it goes back verbatim, so it must be a term that a BEAM reads. */
static enum term_status take_id(struct span *span, struct span *id)
{
    size_t start = span->position, small = peek_small_id(span);
    span->position += small;
    enum term_status status = small > 0 ? TERM_OK : term_check(span);
    if (status == TERM_OK)
        *id = span_of(span->bytes + start, span->position - start);
    return status;
}

static bool refuse_name(struct request_refusal *refusal, const struct term_head *name)
{
    if (name->kind != TERM_ATOM)
        return refuse(refusal, PROTOCOL_BAD_REQUEST, "a request begins with an atom, such as eval");
    int shown = name->length > 64 ? 64 : (int)name->length;
    for (int i = 0; i < shown; i++)
        if (name->data[i] < ' ' || name->data[i] > '~')
            shown = i;
    return refuse(refusal, PROTOCOL_BAD_REQUEST, "unknown operation %.*s", shown, (const char *)name->data);
}

static bool read_version(struct span *span, struct request_refusal *refusal)
{
    uint8_t version;
    if (!span_take_u8(span, &version))
        return refuse(refusal, PROTOCOL_UNDECODABLE, "an empty frame holds no term");
    if (version == TERM_VERSION)
        return true;
    return refuse(refusal, PROTOCOL_UNDECODABLE,
                  "byte 0 of the frame: expected %d, the version of the term format, got %d", TERM_VERSION, version);
}

/* Reads the head of a request's tuple, and its name. */
static bool read_tuple(struct span *span, struct term_head *tuple, struct term_head *name,
                       struct request_refusal *refusal)
{
    enum term_status status = term_read_head(span, tuple);
    if (status != TERM_OK)
        return refuse_term(refusal, status, span);
    if (tuple->kind != TERM_TUPLE || tuple->children == 0)
        return refuse(refusal, PROTOCOL_BAD_REQUEST, "a request is a tuple that begins with its operation");
    status = term_read_head(span, name);
    return status == TERM_OK || refuse_term(refusal, status, span);
}

/* Unwraps {within, CallId, Request}: the request is then read as if it came alone. */
static bool read_within(struct span *span, struct term_head *tuple, struct term_head *name, struct request *request,
                        struct request_refusal *refusal)
{
    if (!term_is_atom(name, PROTOCOL_WITHIN))
        return true;
    if (tuple->children != 3)
        return refuse(refusal, PROTOCOL_BAD_REQUEST, "within takes a call's id and a request");
    enum term_status status = take_id(span, &request->within);
    return status == TERM_OK ? read_tuple(span, tuple, name, refusal) : refuse_term(refusal, status, span);
}

static bool has_arity(enum operation operation, size_t arity, struct request_refusal *refusal)
{
    const char *name = operations[operation].name;
    size_t fewest = operations[operation].fewest, most = operations[operation].most;
    if (arity >= fewest && arity <= most)
        return true;
    if (fewest == most)
        return refuse(refusal, PROTOCOL_BAD_REQUEST, "%s takes a tuple of %zu elements, got %zu", name, fewest, arity);
    return refuse(refusal, PROTOCOL_BAD_REQUEST, "%s takes a tuple of %zu to %zu elements, got %zu", name, fewest, most,
                  arity);
}

/* Reads the second element. For an unknown operation it is taken for the request's own id. */
static bool read_id(struct span *span, const struct term_head *tuple, bool known, struct request *request,
                    struct request_refusal *refusal)
{
    enum id id = known ? operations[request->operation].id : OWN;
    if (id == NONE || tuple->children < 2)
        return true;
    struct span *place = id == OWN ? &request->id : &request->other;
    enum term_status status = take_id(span, place);
    return status == TERM_OK || refuse_term(refusal, status, span);
}

static bool read_head(struct frame *frame, struct request *request, struct request_refusal *refusal)
{
    struct span span = span_of(frame->bytes, frame->length);
    struct term_head tuple = {0}, name = {0};
    if (!read_version(&span, refusal) || !read_tuple(&span, &tuple, &name, refusal) ||
        !read_within(&span, &tuple, &name, request, refusal))
        return false;
    bool known = name.kind == TERM_ATOM && find_operation(&name, &request->operation);
    if (!known && name.children > 0)
        return refuse_name(refusal, &name);
    if (!read_id(&span, &tuple, known, request, refusal))
        return false;
    if (!known)
        return refuse_name(refusal, &name);
    if (!has_arity(request->operation, tuple.children, refusal))
        return false;
    request->arguments = span;
    request->argument_count = tuple.children - (operations[request->operation].id == NONE ? 1 : 2);
    /* The code that decodes the arguments checks what follows them. */
    if (request->argument_count == 0 && span_left(&span) > 0)
        return refuse(refusal, PROTOCOL_UNDECODABLE, "%zu bytes are left behind the request's term", span_left(&span));
    return true;
}

/* -- options that count before the request runs ------------------------------------------------------------------- */

/* Counts the arguments before the options. Returns false if there are no options. */
static bool has_options(const struct request *request, size_t *before)
{
    switch (request->operation) {
    case OPERATION_eval:
    case OPERATION_exec:
    case OPERATION_stream:
    case OPERATION_assign:
        *before = 1;
        return request->argument_count == 2;
    case OPERATION_call:
        *before = 3;
        return request->argument_count == 4;
    case OPERATION_next:
    case OPERATION_cancel:
    case OPERATION_release:
    case OPERATION_info:
    case OPERATION_reply:
    case OPERATION_segment:
    case OPERATION_fetch:
    case OPERATION_give_back:
    case OPERATION_stop:
        break;
    }
    return false;
}

static void read_option(struct request *request, const struct term_head *key, struct span value)
{
    struct term_head head;
    long long number;
    if (term_read_head(&value, &head) != TERM_OK)
        return;
    if (term_is_atom(key, "concurrent"))
        request->concurrent = term_is_atom(&head, "true");
    if (!term_is_atom(key, "timeout") || !term_integer(&head, &number) || number < 0 || number > REQUEST_TIMEOUT_MAX)
        return;
    request->has_timeout = true;
    request->timeout_ms = (unsigned long long)number;
}

/* Errors are left to exec/request_options, which reads all of the options. */
static void read_early_options(struct request *request)
{
    struct span span = request->arguments;
    struct term_head map, key;
    size_t before;
    if (!has_options(request, &before))
        return;
    for (; before > 0; before--)
        if (term_skip(&span) != TERM_OK)
            return;
    request->options = span;
    if (term_read_head(&span, &map) != TERM_OK || map.kind != TERM_MAP)
        return;
    for (size_t i = 0; i < map.children / 2; i++) {
        if (term_read_head(&span, &key) != TERM_OK || key.kind != TERM_ATOM)
            return;
        struct span value = span;
        if (term_skip(&span) != TERM_OK)
            return;
        read_option(request, &key, value);
    }
}

bool request_read(struct frame *frame, struct request *request, struct request_refusal *refusal)
{
    *request = (struct request){0};
    *refusal = (struct request_refusal){0};
    if (!read_head(frame, request, refusal))
        return false;
    read_early_options(request);
    request->frame = *frame;
    *frame = (struct frame){0};
    return true;
}

void request_free(struct request *request)
{
    frame_free(&request->frame);
    *request = (struct request){0};
}

static void move_span(struct span *span, const unsigned char *from, const unsigned char *to)
{
    if (span->bytes != NULL)
        span->bytes = to + (span->bytes - from);
}

bool request_own(struct request *request)
{
    const unsigned char *from = request->frame.bytes;
    if (!frame_own(&request->frame))
        return false;
    const unsigned char *to = request->frame.bytes;
    move_span(&request->id, from, to);
    move_span(&request->other, from, to);
    move_span(&request->within, from, to);
    move_span(&request->arguments, from, to);
    move_span(&request->options, from, to);
    return true;
}

bool request_is_brief(const struct request *request)
{
    switch (request->operation) {
    case OPERATION_next:
    case OPERATION_cancel:
    case OPERATION_info:
    case OPERATION_segment:
    case OPERATION_fetch:
    case OPERATION_give_back:
        return true;
    case OPERATION_eval:
    case OPERATION_exec:
    case OPERATION_call:
    case OPERATION_stream:
    case OPERATION_assign:
    case OPERATION_release:
    case OPERATION_reply:
    case OPERATION_stop:
        break;
    }
    return false;
}

/* -- replies ------------------------------------------------------------------------------------------------------ */

void request_put_id(struct message *message, struct span id)
{
    if (id.length > 0)
        message_put_term(message, id);
    else
        message_put_atom_text(message, "nil");
}

void request_begin_error(struct message *message, struct span id, const char *kind, uint32_t more)
{
    message_put_tuple(message, 3);
    message_put_atom_text(message, PROTOCOL_ERROR);
    request_put_id(message, id);
    message_put_map(message, 1 + more);
    message_put_atom_text(message, "kind");
    message_put_atom_text(message, kind);
}

void request_put_error(struct message *message, struct span id, const char *kind, const char *text)
{
    request_begin_error(message, id, kind, 1);
    message_put_atom_text(message, "message");
    message_put_text(message, text);
}

static void keep_owner(void *owner)
{
    (void)owner; /* the id's bytes are the caller's */
}

/* The message is built on the stack, and the id is sent from where it lies. */
bool request_send_error(struct writer *writer, struct span id, const char *kind, const char *text)
{
    unsigned char room[ERROR_ROOM];
    struct message message = {.bytes = room, .capacity = sizeof room, .allocated = sizeof room};
    struct message_pin pin = {.bytes = id.bytes, .length = id.length, .release = keep_owner};
    message_begin(&message);
    message_put_tuple(&message, 3);
    message_put_atom_text(&message, PROTOCOL_ERROR);
    if (id.length == 0)
        message_put_atom_text(&message, "nil");
    pin.offset = message.length;
    message_put_map(&message, 2);
    message_put_atom_text(&message, "kind");
    message_put_atom_text(&message, kind);
    message_put_atom_text(&message, "message");
    message_put_binary(&message, text, strnlen(text, ERROR_TEXT));
    message.pins = id.length > 0 ? &pin : NULL;
    message.pin_count = id.length > 0;
    return message_finish(&message) == MESSAGE_OK && writer_send(writer, &message);
}

bool request_send_reply(struct writer *writer, struct message *message, struct span id)
{
    bool sent = message_finish(message) == MESSAGE_OK
                    ? writer_send(writer, message)
                    : request_send_error(writer, id, PROTOCOL_EXCEPTION, "there is no memory for the reply");
    message_free(message);
    return sent;
}
