/* Builds frames; ei writes the atoms, whose forms it knows best. */
#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

#include <ei.h>

#include "wire/frame.h"
#include "wire/term.h"

#define INITIAL_CAPACITY ((size_t)512)
/* A buffer that grew past this for one large reply is freed after it. */
#define KEPT_CAPACITY ((size_t)1024 * 1024)

enum {
    SMALL_INTEGER = 97,
    INTEGER = 98,
    SMALL_TUPLE = 104,
    LARGE_TUPLE = 105,
    NIL = 106,
    LIST = 108,
    BINARY = 109,
    SMALL_BIG = 110,
    LARGE_BIG = 111,
    MAP = 116
};

/* Never shrinks to nothing: an error reply must fit even if there is no memory for a new buffer. */
static void shrink(struct message *message)
{
    unsigned char *bytes = realloc(message->bytes, INITIAL_CAPACITY);
    if (bytes == NULL)
        return;
    message->bytes = bytes;
    message->allocated = INITIAL_CAPACITY;
}

void message_begin(struct message *message)
{
    message_release_pins(message);
    if (message->allocated > KEPT_CAPACITY)
        shrink(message);
    message_lift_limit(message);
    message->length = 0;
    message->failed = false;
    message->over_limit = false;
    message->share_from = 0;
    message->share_ids = false;
    message->whole = false;
    message->lease_count = 0;
    unsigned char *start = message_reserve(message, FRAME_HEADER + 1);
    if (start == NULL)
        return;
    memset(start, 0, FRAME_HEADER);
    start[FRAME_HEADER] = TERM_VERSION;
    message_advance(message, FRAME_HEADER + 1);
}

void message_release_pins(struct message *message)
{
    for (size_t i = 0; i < message->pin_count; i++)
        message->pins[i].release(message->pins[i].owner);
    free(message->pins);
    message->pins = NULL;
    message->pin_count = 0;
}

void message_free(struct message *message)
{
    message_release_pins(message);
    free(message->bytes);
    free(message->leases);
    *message = (struct message){0};
}

enum message_status message_finish(struct message *message)
{
    if (message->failed)
        return MESSAGE_NO_MEMORY;
    size_t length = message->length - FRAME_HEADER;
    for (size_t i = 0; i < message->pin_count; i++) {
        if (message->pins[i].length > FRAME_LENGTH_MAX - length)
            return MESSAGE_TOO_LONG;
        length += message->pins[i].length;
    }
    if (length > FRAME_LENGTH_MAX)
        return MESSAGE_TOO_LONG;
    frame_put_length(message->bytes, length);
    return MESSAGE_OK;
}

static bool grow(struct message *message, size_t size)
{
    size_t capacity = message->allocated > 0 ? message->allocated : INITIAL_CAPACITY;
    while (capacity - message->length < size) {
        if (capacity > SIZE_MAX / 2)
            return false;
        capacity *= 2;
    }
    unsigned char *bytes = realloc(message->bytes, capacity);
    if (bytes == NULL)
        return false;
    message->bytes = bytes;
    message->allocated = capacity;
    return true;
}

/* -- the limit ---------------------------------------------------------------------------------------------------- */

static void set_capacity(struct message *message)
{
    bool near = message->limit > 0 && message->limit < message->allocated;
    message->capacity = near ? message->limit : message->allocated;
}

void message_set_limit(struct message *message, size_t bytes)
{
    message->limited_bytes = bytes;
    message->limit = bytes < SIZE_MAX - message->length ? message->length + bytes : SIZE_MAX;
    set_capacity(message);
}

void message_lift_limit(struct message *message)
{
    message->limit = 0;
    set_capacity(message);
}

bool message_check_limit(struct message *message, size_t size)
{
    if (size <= message->limit - message->length && !message->over_limit)
        return true;
    if (!message->over_limit) {
        /* Bytes outside of the buffer have lowered the limit. */
        size_t left = message->limit - message->length;
        message->needed = message->limited_bytes - left;
        message->needed = size < SIZE_MAX - message->needed ? message->needed + size : SIZE_MAX;
    }
    message->over_limit = true;
    message->failed = true;
    return false;
}

bool message_count_outside(struct message *message, size_t size)
{
    if (!message_allows(message, size))
        return false;
    if (message->limit > 0) {
        message->limit -= size;
        set_capacity(message);
    }
    return true;
}

void message_cut(struct message *message, size_t length)
{
    message->length = length;
    if (message->over_limit)
        message->failed = false;
    message->over_limit = false;
}

unsigned char *message_grow(struct message *message, size_t size)
{
    if (message->failed)
        return NULL;
    if (!message_allows(message, size))
        return NULL;
    if (message->allocated - message->length < size && !grow(message, size)) {
        message->failed = true;
        return NULL;
    }
    set_capacity(message);
    return message->bytes + message->length;
}

void message_put_raw(struct message *message, const void *bytes, size_t length)
{
    unsigned char *at = message_reserve(message, length);
    if (at == NULL)
        return;
    memcpy(at, bytes, length);
    message_advance(message, length);
}

void message_put_term(struct message *message, struct span term)
{
    message_put_raw(message, term.bytes, term.length);
}

static void put_tag_u8(struct message *message, unsigned char tag, uint8_t value)
{
    unsigned char *at = message_reserve(message, 2);
    if (at == NULL)
        return;
    at[0] = tag;
    at[1] = value;
    message_advance(message, 2);
}

static void put_tag_u32(struct message *message, unsigned char tag, uint32_t value)
{
    unsigned char *at = message_reserve(message, 5);
    if (at == NULL)
        return;
    at[0] = tag;
    frame_put_length(at + 1, value);
    message_advance(message, 5);
}

void message_put_tuple(struct message *message, uint32_t arity)
{
    if (arity <= UINT8_MAX)
        put_tag_u8(message, SMALL_TUPLE, (uint8_t)arity);
    else
        put_tag_u32(message, LARGE_TUPLE, arity);
}

void message_add_element(struct message *message)
{
    /* Behind the frame's length, the version byte and the tag. */
    if (!message->failed)
        message->bytes[FRAME_HEADER + 2]++;
}

void message_put_list(struct message *message, uint32_t length)
{
    put_tag_u32(message, LIST, length);
}

void message_patch_length(struct message *message, size_t offset, uint32_t length)
{
    if (!message->failed)
        frame_put_length(message->bytes + offset, length);
}

void message_put_nil_list(struct message *message)
{
    const unsigned char tag = NIL;
    message_put_raw(message, &tag, 1);
}

void message_put_map(struct message *message, uint32_t pairs)
{
    put_tag_u32(message, MAP, pairs);
}

void message_put_atom(struct message *message, const char *utf8, size_t length)
{
    int size = 0;
    char *at = (char *)message_reserve(message, length + 3);
    if (at == NULL)
        return;
    if (ei_encode_atom_len_as(at, &size, utf8, (int)length, ERLANG_UTF8, ERLANG_UTF8) == 0)
        message_advance(message, (size_t)size);
    else
        message->failed = true;
}

void message_put_atom_text(struct message *message, const char *ascii)
{
    message_put_atom(message, ascii, strlen(ascii));
}

void message_put_big(struct message *message, const void *digits, size_t length, bool negative)
{
    size_t head = length <= UINT8_MAX ? 3 : 6;
    unsigned char *at = message_reserve(message, head + length);
    if (at == NULL)
        return;
    if (length <= UINT8_MAX) {
        at[0] = SMALL_BIG;
        at[1] = (unsigned char)length;
    } else {
        at[0] = LARGE_BIG;
        frame_put_length(at + 1, length);
    }
    at[head - 1] = negative;
    memcpy(at + head, digits, length);
    message_advance(message, head + length);
}

/* Appends an integer beyond 32 bits. */
static void put_magnitude(struct message *message, unsigned long long magnitude, bool negative)
{
    unsigned char digits[sizeof magnitude];
    size_t length = 0;
    for (; magnitude > 0; magnitude >>= 8)
        digits[length++] = (unsigned char)magnitude;
    message_put_big(message, digits, length, negative);
}

void message_put_integer(struct message *message, long long value)
{
    if (value >= 0 && value <= UINT8_MAX)
        put_tag_u8(message, SMALL_INTEGER, (uint8_t)value);
    else if (value >= INT32_MIN && value <= INT32_MAX)
        put_tag_u32(message, INTEGER, (uint32_t)(int32_t)value);
    else
        put_magnitude(message, value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value, value < 0);
}

void message_put_unsigned(struct message *message, unsigned long long value)
{
    if (value <= INT32_MAX)
        message_put_integer(message, (long long)value);
    else
        put_magnitude(message, value, false);
}

void message_put_float(struct message *message, double value)
{
    uint64_t bits;
    unsigned char *at = message_reserve(message, 9);
    if (at == NULL)
        return;
    memcpy(&bits, &value, sizeof bits);
    at[0] = TERM_TAG_NEW_FLOAT;
    frame_put_length(at + 1, bits >> 32);
    frame_put_length(at + 5, bits & UINT32_MAX);
    message_advance(message, 9);
}

void message_put_binary(struct message *message, const void *bytes, size_t length)
{
    message_put_binary_of_two(message, bytes, length, NULL, 0);
}

void message_put_binary_of_two(struct message *message, const void *first, size_t first_length, const void *second,
                               size_t second_length)
{
    unsigned char *at = message_reserve(message, 5 + first_length + second_length);
    if (at == NULL)
        return;
    at[0] = BINARY;
    frame_put_length(at + 1, first_length + second_length);
    if (first_length > 0)
        memcpy(at + 5, first, first_length);
    if (second_length > 0)
        memcpy(at + 5 + first_length, second, second_length);
    message_advance(message, 5 + first_length + second_length);
}

unsigned char *message_start_binary(struct message *message, size_t length)
{
    put_tag_u32(message, BINARY, (uint32_t)length);
    return message_reserve(message, length);
}

void message_put_text(struct message *message, const char *text)
{
    message_put_binary(message, text, strlen(text));
}

bool message_pin_binary(struct message *message, const void *bytes, size_t length, void (*release)(void *), void *owner)
{
    put_tag_u32(message, BINARY, (uint32_t)length);
    if (message->failed)
        return false;
    /* The array grows by powers of two: at a power of two it is full. */
    if ((message->pin_count & (message->pin_count - 1)) == 0) {
        size_t room = message->pin_count > 0 ? 2 * message->pin_count : 1;
        struct message_pin *pins = realloc(message->pins, room * sizeof *pins);
        if (pins == NULL) {
            message->failed = true;
            return false;
        }
        message->pins = pins;
    }
    message->pins[message->pin_count++] = (struct message_pin){message->length, bytes, length, release, owner};
    return true;
}
