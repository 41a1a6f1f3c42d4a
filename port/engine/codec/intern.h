/* Caches the objects of short texts that come often, such as map keys and atoms, by their bytes: a list of maps makes
 * each key once. All functions need the GIL. */
#ifndef PYTHONX_INTERN_H
#define PYTHONX_INTERN_H

#include <stdint.h>

#include "python/py_api.h"

#define INTERN_LENGTH_MAX 40 /* bytes; longer texts are not kept */
#define INTERN_SLOTS 512

struct intern_slot {
    PyObject *object;
    uint64_t first, last; /* the ends of the bytes */
    unsigned char length;
    unsigned char bytes[INTERN_LENGTH_MAX];
};

struct intern {
    struct intern_slot slots[INTERN_SLOTS];
};

/* Makes the object for bytes that are not in the cache. Returns a new reference. */
typedef PyObject *intern_maker(const unsigned char *bytes, size_t length);

/* Returns a new reference, from the cache or the maker; NULL with an error set if the maker failed. */
PyObject *intern_get(struct intern *cache, const unsigned char *bytes, size_t length, intern_maker *make);

#endif
