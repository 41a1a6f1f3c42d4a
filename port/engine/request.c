/* Only the head of a request is read here: arguments are checked where they are decoded. */
#include "request.h"

#include <stdarg.h>
#include <stdio.h>

#include "term.h"

static const struct {
    const char *name;
    size_t fewest, most; /* elements of the tuple, the name included */
    bool has_id;         /* as its second element */
} operations[] = {
#define OPERATION(name, fewest, most, has_id) [OPERATION_##name] = {#name, fewest, most, has_id},
    PROTOCOL_OPERATIONS(OPERATION)
#undef OPERATION
};

#define OPERATION_COUNT (sizeof operations / sizeof *operations)

const char *request_operation_name(enum operation operation)
{
    return operations[operation].name;
}

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
    return refuse(refusal, "undecodable", "byte %zu of the frame%s: %s", span->position, where,
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

/* The id is kept as the bytes that came: it goes back as it is. */
static enum term_status take_id(struct span *span, struct span *id)
{
    size_t start = span->position;
    enum term_status status = term_skip(span);
    if (status == TERM_OK)
        *id = span_of(span->bytes + start, span->position - start);
    return status;
}

static bool refuse_name(struct request_refusal *refusal, const struct term_head *name)
{
    if (name->kind != TERM_ATOM)
        return refuse(refusal, "bad_request", "a request begins with an atom, such as eval");
    int shown = name->length > 64 ? 64 : (int)name->length;
    for (int i = 0; i < shown; i++)
        if (name->data[i] < ' ' || name->data[i] > '~')
            shown = i;
    return refuse(refusal, "bad_request", "unknown operation %.*s", shown, (const char *)name->data);
}

static bool read_tuple(struct span *span, struct term_head *tuple, struct request_refusal *refusal)
{
    uint8_t version;
    if (!span_take_u8(span, &version))
        return refuse(refusal, "undecodable", "an empty frame holds no term");
    if (version != TERM_VERSION)
        return refuse(refusal, "undecodable",
                      "byte 0 of the frame: expected %d, the version of the term format, got %d", TERM_VERSION,
                      version);
    enum term_status status = term_read_head(span, tuple);
    if (status != TERM_OK)
        return refuse_term(refusal, status, span);
    if (tuple->kind != TERM_TUPLE || tuple->children == 0)
        return refuse(refusal, "bad_request", "a request is a tuple that begins with its operation");
    return true;
}

static bool has_arity(enum operation operation, size_t arity, struct request_refusal *refusal)
{
    const char *name = operations[operation].name;
    size_t fewest = operations[operation].fewest, most = operations[operation].most;
    if (arity >= fewest && arity <= most)
        return true;
    if (fewest == most)
        return refuse(refusal, "bad_request", "%s takes a tuple of %zu elements, got %zu", name, fewest, arity);
    return refuse(refusal, "bad_request", "%s takes a tuple of %zu to %zu elements, got %zu", name, fewest, most,
                  arity);
}

bool request_read(struct frame *frame, struct request *request, struct request_refusal *refusal)
{
    struct span span = span_of(frame->bytes, frame->length);
    struct term_head tuple = {0}, name = {0};
    *request = (struct request){0};
    *refusal = (struct request_refusal){0};
    if (!read_tuple(&span, &tuple, refusal))
        return false;
    enum term_status status = term_read_head(&span, &name);
    if (status != TERM_OK)
        return refuse_term(refusal, status, &span);
    bool known = name.kind == TERM_ATOM && find_operation(&name, &request->operation);
    bool has_id = !known || operations[request->operation].has_id;
    if (!known && name.children > 0)
        return refuse_name(refusal, &name);
    if (has_id && tuple.children > 1) {
        status = take_id(&span, &request->id);
        if (status != TERM_OK)
            return refuse_term(refusal, status, &span);
        refusal->id = request->id;
    }
    if (!known)
        return refuse_name(refusal, &name);
    if (!has_arity(request->operation, tuple.children, refusal))
        return false;
    request->arguments = span;
    request->argument_count = tuple.children - (has_id ? 2 : 1);
    /* Behind arguments, whoever decodes them looks. */
    if (request->argument_count == 0 && span_left(&span) > 0)
        return refuse(refusal, "undecodable", "%zu bytes are left behind the request's term", span_left(&span));
    request->frame = *frame;
    *frame = (struct frame){0};
    return true;
}

void request_free(struct request *request)
{
    frame_free(&request->frame);
    *request = (struct request){0};
}

void request_put_id(struct message *message, struct span id)
{
    if (id.length > 0)
        message_put_term(message, id);
    else
        message_put_atom_text(message, "nil");
}

void request_put_error(struct message *message, struct span id, const char *kind, const char *text)
{
    message_put_tuple(message, 3);
    message_put_atom_text(message, PROTOCOL_ERROR);
    request_put_id(message, id);
    message_put_map(message, 2);
    message_put_atom_text(message, "kind");
    message_put_atom_text(message, kind);
    message_put_atom_text(message, "message");
    message_put_text(message, text);
}
