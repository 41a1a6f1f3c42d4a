/* Reads a run of bytes from front to back. Every read of outside data goes through a span, so that no length is trusted
 * before it was checked against the bytes that came. */
#ifndef PYTHONX_SPAN_H
#define PYTHONX_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const unsigned char *bytes; /* borrowed */
    size_t length;
    size_t position; /* never beyond length */
};

static inline struct span span_of(const void *bytes, size_t length)
{
    return (struct span){.bytes = bytes, .length = length, .position = 0};
}

static inline size_t span_left(const struct span *span)
{
    return span->length - span->position;
}

static inline const unsigned char *span_here(const struct span *span)
{
    return span->bytes + span->position;
}

/* Moves past `count` bytes and returns the first of them; returns NULL, without a move, if fewer are left. */
static inline const unsigned char *span_take(struct span *span, size_t count)
{
    if (count > span_left(span))
        return NULL;
    const unsigned char *start = span_here(span);
    span->position += count;
    return start;
}

/* Reads a big-endian number at an address that must have been checked already. */
static inline uint32_t span_u32_at(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline double span_double_at(const unsigned char *at)
{
    uint64_t bits = (uint64_t)span_u32_at(at) << 32 | span_u32_at(at + 4);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Reads a big-endian integer; returns false, without a move, if too few bytes are left. */
static inline bool span_take_u8(struct span *span, uint8_t *value)
{
    const unsigned char *at = span_take(span, 1);
    if (at == NULL)
        return false;
    *value = at[0];
    return true;
}

static inline bool span_take_u16(struct span *span, uint16_t *value)
{
    const unsigned char *at = span_take(span, 2);
    if (at == NULL)
        return false;
    *value = (uint16_t)(at[0] << 8 | at[1]);
    return true;
}

static inline bool span_take_u32(struct span *span, uint32_t *value)
{
    const unsigned char *at = span_take(span, 4);
    if (at == NULL)
        return false;
    *value = span_u32_at(at);
    return true;
}

#endif
