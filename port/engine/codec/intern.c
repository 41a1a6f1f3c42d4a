/* Finds the object of a short text in a direct-mapped cache: a new text replaces the one in its slot. */
#include "codec/intern.h"

#include <stdint.h>
#include <string.h>

/* Up to this length the two ends of a text contain all of it. */
#define ENDS_MAX 16

struct ends {
    uint64_t first, last;
};

static uint64_t load(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, bytes, size);
    return value;
}

static struct ends ends_of(const unsigned char *bytes, size_t length)
{
    if (length >= 8)
        return (struct ends){load(bytes, 8), load(bytes + length - 8, 8)};
    if (length >= 4)
        return (struct ends){load(bytes, 4), load(bytes + length - 4, 4)};
    if (length > 0)
        return (struct ends){bytes[0], (uint64_t)bytes[length / 2] << 8 | bytes[length - 1]};
    return (struct ends){0, 0};
}

/* Texts that differ only between their ends have the same slot. */
static size_t slot_of(struct ends ends, size_t length)
{
    uint64_t mixed = (ends.first ^ ends.last << 23 ^ ends.last >> 41 ^ length) * 0x9E3779B97F4A7C15u;
    return (size_t)(mixed >> 40) % INTERN_SLOTS;
}

PyObject *intern_get(struct intern *cache, const unsigned char *bytes, size_t length, intern_maker *make)
{
    if (length > INTERN_LENGTH_MAX)
        return make(bytes, length);
    struct ends ends = ends_of(bytes, length);
    struct intern_slot *slot = &cache->slots[slot_of(ends, length)];
    PyObject *known = slot->object;
    if (known != NULL && slot->first == ends.first && slot->last == ends.last && slot->length == length &&
        (length <= ENDS_MAX || memcmp(slot->bytes, bytes, length) == 0))
        return Py_NewRef(known);
    PyObject *object = make(bytes, length);
    if (object == NULL)
        return NULL;
    slot->object = Py_NewRef(object);
    slot->first = ends.first;
    slot->last = ends.last;
    slot->length = (unsigned char)length;
    memcpy(slot->bytes, bytes, length);
    /* Dropped last, because that may run code. */
    Py_XDECREF(known);
    return object;
}
