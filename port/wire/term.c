/* Reads heads of External Term Format terms, checked against the span that holds them. */
#include "wire/term.h"

#include "wire/term_tags.h"

/* A float as text, FLOAT_EXT, always takes this many bytes. */
#define FLOAT_EXT_LENGTH 31
/* NEW_REFERENCE_EXT and NEWER_REFERENCE_EXT hold at most this many words. */
#define REFERENCE_WORDS_MAX 5

static enum term_status read_leaf(struct span *span, struct term_head *head, enum term_kind kind, size_t length)
{
    head->kind = kind;
    head->data = span_take(span, length);
    head->length = length;
    return head->data == NULL ? TERM_TRUNCATED : TERM_OK;
}

static enum term_status read_leaf_u8(struct span *span, struct term_head *head, enum term_kind kind)
{
    uint8_t length;
    return span_take_u8(span, &length) ? read_leaf(span, head, kind, length) : TERM_TRUNCATED;
}

static enum term_status read_leaf_u16(struct span *span, struct term_head *head, enum term_kind kind)
{
    uint16_t length;
    return span_take_u16(span, &length) ? read_leaf(span, head, kind, length) : TERM_TRUNCATED;
}

static enum term_status read_leaf_u32(struct span *span, struct term_head *head, enum term_kind kind)
{
    uint32_t length;
    return span_take_u32(span, &length) ? read_leaf(span, head, kind, length) : TERM_TRUNCATED;
}

/* A count of children is accepted only if each of them can have at least its tag. */
static enum term_status read_parent(struct span *span, struct term_head *head, enum term_kind kind, size_t children)
{
    head->kind = kind;
    head->children = children;
    return children > span_left(span) ? TERM_TRUNCATED : TERM_OK;
}

static enum term_status read_big(struct span *span, struct term_head *head, uint32_t digits)
{
    head->kind = TERM_INTEGER;
    if (!span_take_u8(span, &head->detail))
        return TERM_TRUNCATED;
    head->detail = head->detail != 0;
    return read_leaf(span, head, TERM_INTEGER, digits);
}

/* Without bits it would be a binary, which every BEAM writes as one; OTP 29 reads it in no other form. */
static enum term_status read_bitstring(struct span *span, struct term_head *head)
{
    uint32_t length;
    if (!span_take_u32(span, &length) || !span_take_u8(span, &head->detail))
        return TERM_TRUNCATED;
    if (length == 0 || head->detail == 0 || head->detail > 8)
        return TERM_MALFORMED;
    return read_leaf(span, head, TERM_BITSTRING, length);
}

static bool is_atom_tag(uint8_t tag)
{
    return tag == ATOM_EXT || tag == SMALL_ATOM_EXT || tag == ATOM_UTF8_EXT || tag == SMALL_ATOM_UTF8_EXT;
}

/* The tag is checked first: a pid in place of a node's name would contain another node, without end. */
static enum term_status read_inner_atom(struct span *span)
{
    struct term_head atom;
    if (span_left(span) > 0 && !is_atom_tag(*span_here(span)))
        return TERM_MALFORMED;
    return term_read_head(span, &atom);
}

/* Reads pids, ports and references: a node name and `length` bytes after it. */
static enum term_status read_node_and(struct span *span, struct term_head *head, enum term_kind kind, size_t length)
{
    head->kind = kind;
    enum term_status status = read_inner_atom(span);
    return status == TERM_OK ? read_leaf(span, head, kind, length) : status;
}

static enum term_status read_reference(struct span *span, struct term_head *head, size_t creation_bytes)
{
    uint16_t words;
    if (!span_take_u16(span, &words))
        return TERM_TRUNCATED;
    if (words == 0 || words > REFERENCE_WORDS_MAX)
        return TERM_MALFORMED;
    return read_node_and(span, head, TERM_REFERENCE, creation_bytes + 4 * (size_t)words);
}

/* What a fun's size field covers (itself included) is kept as it is: it is sent back whole or not at all. */
static enum term_status read_closure(struct span *span, struct term_head *head)
{
    uint32_t size;
    if (!span_take_u32(span, &size))
        return TERM_TRUNCATED;
    return size < 4 ? TERM_MALFORMED : read_leaf(span, head, TERM_FUN, size - 4);
}

/* Reads fun Module:Function/Arity: two atoms and a small integer. */
static enum term_status read_export(struct span *span, struct term_head *head)
{
    uint8_t tag, arity;
    head->kind = TERM_FUN;
    enum term_status status = read_inner_atom(span);
    if (status == TERM_OK)
        status = read_inner_atom(span);
    if (status != TERM_OK)
        return status;
    if (!span_take_u8(span, &tag))
        return TERM_TRUNCATED;
    if (tag != SMALL_INTEGER_EXT)
        return TERM_MALFORMED;
    return span_take_u8(span, &arity) ? TERM_OK : TERM_TRUNCATED;
}

static enum term_status read_counted(struct span *span, struct term_head *head)
{
    uint8_t small;
    uint32_t count;
    switch (head->tag) {
    case SMALL_TUPLE_EXT:
        return span_take_u8(span, &small) ? read_parent(span, head, TERM_TUPLE, small) : TERM_TRUNCATED;
    case LARGE_TUPLE_EXT:
        return span_take_u32(span, &count) ? read_parent(span, head, TERM_TUPLE, count) : TERM_TRUNCATED;
    case LIST_EXT:
        return span_take_u32(span, &count) ? read_parent(span, head, TERM_LIST, (size_t)count + 1) : TERM_TRUNCATED;
    case MAP_EXT:
        return span_take_u32(span, &count) ? read_parent(span, head, TERM_MAP, 2 * (size_t)count) : TERM_TRUNCATED;
    case SMALL_BIG_EXT:
        return span_take_u8(span, &small) ? read_big(span, head, small) : TERM_TRUNCATED;
    default: /* LARGE_BIG_EXT */
        return span_take_u32(span, &count) ? read_big(span, head, count) : TERM_TRUNCATED;
    }
}

static enum term_status read_body(struct span *span, struct term_head *head)
{
    switch (head->tag) {
    case SMALL_INTEGER_EXT:
        return read_leaf(span, head, TERM_INTEGER, 1);
    case INTEGER_EXT:
        return read_leaf(span, head, TERM_INTEGER, 4);
    case NEW_FLOAT_EXT:
        return read_leaf(span, head, TERM_FLOAT, 8);
    case FLOAT_EXT:
        return read_leaf(span, head, TERM_FLOAT, FLOAT_EXT_LENGTH);
    case SMALL_ATOM_EXT:
    case SMALL_ATOM_UTF8_EXT:
        return read_leaf_u8(span, head, TERM_ATOM);
    case ATOM_EXT:
    case ATOM_UTF8_EXT:
        return read_leaf_u16(span, head, TERM_ATOM);
    case NIL_EXT:
        return read_leaf(span, head, TERM_NIL, 0);
    case STRING_EXT:
        return read_leaf_u16(span, head, TERM_STRING);
    case BINARY_EXT:
        return read_leaf_u32(span, head, TERM_BINARY);
    case BIT_BINARY_EXT:
        return read_bitstring(span, head);
    case SMALL_TUPLE_EXT:
    case LARGE_TUPLE_EXT:
    case LIST_EXT:
    case MAP_EXT:
    case SMALL_BIG_EXT:
    case LARGE_BIG_EXT:
        return read_counted(span, head);
    case PID_EXT:
        return read_node_and(span, head, TERM_PID, 9);
    case NEW_PID_EXT:
        return read_node_and(span, head, TERM_PID, 12);
    case PORT_EXT:
        return read_node_and(span, head, TERM_PORT, 5);
    case NEW_PORT_EXT:
        return read_node_and(span, head, TERM_PORT, 8);
    case V4_PORT_EXT:
        return read_node_and(span, head, TERM_PORT, 12);
    case REFERENCE_EXT:
        return read_node_and(span, head, TERM_REFERENCE, 5);
    case NEW_REFERENCE_EXT:
        return read_reference(span, head, 1);
    case NEWER_REFERENCE_EXT:
        return read_reference(span, head, 4);
    case NEW_FUN_EXT:
        return read_closure(span, head);
    case EXPORT_EXT:
        return read_export(span, head);
    case TERM_TAG_COMPRESSED:
        return TERM_COMPRESSED;
    default:
        return TERM_UNKNOWN;
    }
}

enum term_status term_read_head(struct span *span, struct term_head *head)
{
    size_t start = span->position;
    *head = (struct term_head){.start = span_here(span)};
    if (!span_take_u8(span, &head->tag))
        return TERM_TRUNCATED;
    enum term_status status = read_body(span, head);
    if (status != TERM_OK)
        span->position = start;
    return status;
}

enum term_status term_skip(struct span *span)
{
    /* Cannot overflow: each open child has a byte of its own in the span, or reading its parent failed. */
    for (size_t open = 1; open > 0; open--) {
        struct term_head head;
        enum term_status status = term_read_head(span, &head);
        if (status != TERM_OK)
            return status;
        if (open - 1 > span_left(span))
            return TERM_TRUNCATED;
        open += head.children;
    }
    return TERM_OK;
}

const char *term_status_text(enum term_status status)
{
    switch (status) {
    case TERM_OK:
        return "a whole term";
    case TERM_TRUNCATED:
        return "the term promises more bytes than the frame holds";
    case TERM_COMPRESSED:
        return "compressed terms are not accepted (send term_to_binary without the compressed option)";
    case TERM_UNKNOWN:
        return "unknown tag of the external term format";
    case TERM_MALFORMED:
        return "malformed term";
    case TERM_SAME_KEY:
        return "a map with the same key twice";
    case TERM_TOO_DEEP:
        return "nested too deeply";
    case TERM_NO_MEMORY:
        return "there is no memory to check the term";
    }
    return "malformed term";
}

bool term_is_atom(const struct term_head *head, const char *name)
{
    return head->kind == TERM_ATOM && head->length == strlen(name) && memcmp(head->data, name, head->length) == 0;
}

bool term_atom_is_latin1(const struct term_head *head)
{
    return head->tag == ATOM_EXT || head->tag == SMALL_ATOM_EXT;
}

static bool read_big_value(const struct term_head *head, long long *value)
{
    uint64_t magnitude = 0;
    size_t length = head->length;
    while (length > 0 && head->data[length - 1] == 0)
        length--;
    if (length > sizeof magnitude)
        return false;
    for (size_t i = length; i > 0; i--)
        magnitude = magnitude << 8 | head->data[i - 1];
    bool negative = head->detail != 0;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *value = negative ? (long long)(0 - magnitude) : (long long)magnitude;
    return true;
}

bool term_integer(const struct term_head *head, long long *value)
{
    const unsigned char *at = head->data;
    switch (head->tag) {
    case SMALL_INTEGER_EXT:
        *value = at[0];
        return true;
    case INTEGER_EXT:
        *value = (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
        return true;
    case SMALL_BIG_EXT:
    case LARGE_BIG_EXT:
        return read_big_value(head, value);
    default:
        return false;
    }
}

/* Moves past the head of a tuple, list or map whose elements do not all lie in the span. */
static bool skip_count(struct span *span, uint8_t tag)
{
    switch (tag) {
    case SMALL_TUPLE_EXT:
        return span_take(span, 2) != NULL;
    case LARGE_TUPLE_EXT:
    case LIST_EXT:
    case MAP_EXT:
        return span_take(span, 5) != NULL;
    default:
        return false;
    }
}

size_t term_find_binary(struct span span, size_t size)
{
    while (span_left(&span) > 0) {
        struct span start = span;
        struct term_head head;
        uint8_t tag = *span_here(&span);
        uint32_t length;
        if (span_take_u8(&start, &tag) && tag == BINARY_EXT && span_take_u32(&start, &length) && length >= size)
            return start.position;
        /* The term is cut off, or has the count of a list that goes on behind the span: its elements are searched as
         * well. */
        if (term_read_head(&span, &head) != TERM_OK && !skip_count(&span, tag))
            return 0;
    }
    return 0;
}
