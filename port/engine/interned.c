/* Direct-mapped: a newcomer takes the place of what was in its slot. */
#include "interned.h"

#include <stdint.h>
#include <string.h>

/* FNV-1a. */
static uint32_t hash(const unsigned char *bytes, size_t length)
{
    uint32_t value = 2166136261u;
    for (size_t i = 0; i < length; i++)
        value = (value ^ bytes[i]) * 16777619u;
    return value ^ value >> 15;
}

PyObject *interned_get(struct interned *cache, const unsigned char *bytes, size_t length, interned_maker *make)
{
    if (length > INTERNED_LENGTH_MAX)
        return make(bytes, length);
    uint32_t slot = hash(bytes, length) % INTERNED_SLOTS;
    PyObject *known = cache->slots[slot].object;
    if (known != NULL && cache->slots[slot].length == length && memcmp(cache->slots[slot].bytes, bytes, length) == 0)
        return Py_NewRef(known);
    PyObject *object = make(bytes, length);
    if (object == NULL)
        return NULL;
    cache->slots[slot].object = Py_NewRef(object);
    cache->slots[slot].length = (unsigned char)length;
    memcpy(cache->slots[slot].bytes, bytes, length);
    /* Last, as it may run code. */
    Py_XDECREF(known);
    return object;
}
