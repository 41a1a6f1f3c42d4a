/* Short texts that come again and again, such as map keys and atoms: a cache from their bytes to their object, so that
 * a list of maps makes each key once. All functions need the GIL. */
#ifndef PYTHONX_INTERNED_H
#define PYTHONX_INTERNED_H

#include <stdint.h>

#include "python.h"

#define INTERNED_LENGTH_MAX 40 /* bytes; longer texts are not kept */
#define INTERNED_SLOTS 512

struct interned_slot {
    PyObject *object;
    uint64_t first, last; /* the ends of the bytes */
    unsigned char length;
    unsigned char bytes[INTERNED_LENGTH_MAX];
};

struct interned {
    struct interned_slot slots[INTERNED_SLOTS];
};

/* Makes the object for bytes that are not in the cache; new reference. */
typedef PyObject *interned_maker(const unsigned char *bytes, size_t length);

/* New reference, from the cache or fresh; NULL with an error set where the maker failed. */
PyObject *interned_get(struct interned *cache, const unsigned char *bytes, size_t length, interned_maker *make);

#endif
