/* The form of a term depends on all that it holds: a list of bytes is a STRING_EXT, an empty one NIL_EXT. */
#include "text_close.h"

#include "frame.h"

enum { SMALL_INTEGER = 97, LARGE_TUPLE = 105, NIL = 106, STRING = 107, LIST = 108 };

/* A tag and a length of four bytes, or of two. */
#define HEAD ((size_t)5)
#define STRING_HEAD ((size_t)3)
#define SMALL_TUPLE_HEAD ((size_t)2)

static bool fill_count(struct message *message, size_t head, size_t count)
{
    if (count > UINT32_MAX)
        return false;
    if (!message->failed)
        frame_put_length(message->bytes + head + 1, count);
    return true;
}

bool text_close_map(struct message *message, size_t head, size_t pairs)
{
    return fill_count(message, head, pairs);
}

/* Few tuples are large: they were begun as small ones, and a large one makes room for its longer head. */
bool text_close_tuple(struct message *message, size_t head, size_t count)
{
    if (message->failed)
        return true;
    if (count <= UINT8_MAX) {
        message->bytes[head + 1] = (unsigned char)count;
        return true;
    }
    if (message_reserve(message, HEAD - SMALL_TUPLE_HEAD) == NULL)
        return true; /* the message has failed */
    unsigned char *at = message->bytes + head;
    memmove(at + HEAD, at + SMALL_TUPLE_HEAD, message->length - head - SMALL_TUPLE_HEAD);
    at[0] = LARGE_TUPLE;
    message_advance(message, HEAD - SMALL_TUPLE_HEAD);
    return fill_count(message, head, count);
}

/* True where a list holds nothing but integers of one byte, each of which takes two. */
static bool is_string(const unsigned char *elements, size_t length, size_t count)
{
    if (count > UINT16_MAX || length != 2 * count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (elements[2 * i] != SMALL_INTEGER)
            return false;
    return true;
}

bool text_close_list(struct message *message, size_t head, size_t count)
{
    if (message->failed)
        return true;
    unsigned char *at = message->bytes + head;
    if (count == 0) {
        message->length = head;
    } else if (is_string(at + HEAD, message->length - head - HEAD, count)) {
        at[0] = STRING;
        at[1] = (unsigned char)(count >> 8);
        at[2] = (unsigned char)count;
        for (size_t i = 0; i < count; i++)
            at[STRING_HEAD + i] = at[HEAD + 2 * i + 1];
        message->length = head + STRING_HEAD + count;
        return true;
    }
    message_put_nil_list(message);
    return count == 0 || fill_count(message, head, count);
}

static size_t string_length(const unsigned char *string)
{
    return (size_t)string[1] << 8 | string[2];
}

/* A STRING_EXT at the end of the message becomes the elements of a list. */
static void spread_string(struct message *message, size_t start)
{
    size_t count = string_length(message->bytes + start);
    if (message_reserve(message, 2 * count) == NULL)
        return;
    unsigned char *elements = message->bytes + start;
    unsigned char *copy = message->bytes + message->length;
    memmove(copy, elements + STRING_HEAD, count);
    /* The elements grow into the copy, but never past what was read of it. */
    for (size_t i = 0; i < count; i++) {
        unsigned char byte = copy[i];
        elements[2 * i] = SMALL_INTEGER;
        elements[2 * i + 1] = byte;
    }
    message->length = start + 2 * count;
}

bool text_close_tail(struct message *message, size_t head, size_t count, size_t tail)
{
    if (message->failed)
        return true;
    unsigned char *at = message->bytes + tail;
    if (at[0] == NIL) {
        message->length = tail;
        return text_close_list(message, head, count);
    }
    if (at[0] == STRING) {
        count += string_length(at);
        spread_string(message, tail);
        return text_close_list(message, head, count);
    }
    if (at[0] == LIST) {
        count += (size_t)at[1] << 24 | (size_t)at[2] << 16 | (size_t)at[3] << 8 | at[4];
        message->length -= HEAD;
        memmove(at, at + HEAD, message->length - tail);
    }
    return fill_count(message, head, count);
}
