/* Keeps objects up to a number of them and up to a number of bytes, and drops the oldest first. All functions need the
 * GIL. */
#ifndef PYTHONX_CACHE_H
#define PYTHONX_CACHE_H

#include <stddef.h>

#include "python/py_api.h"

struct cache {
    const Py_ssize_t count_max;
    const size_t bytes_max;
    int (*const on_drop)(
        PyObject *key); /* may be NULL; called before an entry is dropped; returns 0, or -1 with an error set */
    size_t bytes;       /*  of all entries, as passed to cache_put */
    PyObject *entries;  /* key to value */
    PyObject *sizes;    /* key to bytes */
};

/* Returns 0, or -1 with an error set. */
int cache_start(struct cache *cache);

/* Returns a borrowed reference; NULL if there is no entry, or with an error set. */
PyObject *cache_get(const struct cache *cache, PyObject *key);

/* Keeps the value, in place of an earlier one of this key, and drops the oldest entries until both bounds hold. A value
 * over the bound is not kept. Returns 0, or -1 with an error set. */
int cache_put(struct cache *cache, PyObject *key, PyObject *value, size_t bytes);

/* Returns how many bytes of memory one object takes, without the objects that it refers to. */
size_t cache_size_of(PyObject *object);

#endif
