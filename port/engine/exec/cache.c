/* Keeps entries in two dicts; the first key of a dict is its oldest. */
#include "exec/cache.h"
#include "python/interrupt.h"

/* The memory of an entry besides its sizes: two places in dicts, a number, and a key such as a file's name. */
#define ENTRY_BYTES 400

int cache_start(struct cache *cache)
{
    cache->entries = PyDict_New();
    cache->sizes = PyDict_New();
    return cache->entries == NULL || cache->sizes == NULL ? -1 : 0;
}

PyObject *cache_get(const struct cache *cache, PyObject *key)
{
    return PyDict_GetItemWithError(cache->entries, key);
}

/* The caller must hold `key`. */
static int drop_entry(struct cache *cache, PyObject *key)
{
    PyObject *size = PyDict_GetItemWithError(cache->sizes, key);
    size_t bytes = size == NULL ? 0 : PyLong_AsSize_t(size);
    if (PyErr_Occurred() || (cache->on_drop != NULL && cache->on_drop(key) < 0))
        return -1;
    if (PyDict_DelItem(cache->entries, key) < 0 || PyDict_DelItem(cache->sizes, key) < 0)
        return -1;
    cache->bytes -= bytes;
    return 0;
}

static int drop_oldest(struct cache *cache)
{
    Py_ssize_t position = 0;
    PyObject *oldest;
    if (!PyDict_Next(cache->entries, &position, &oldest, NULL))
        return 0;
    Py_INCREF(oldest);
    int failed = drop_entry(cache, oldest);
    Py_DECREF(oldest);
    return failed;
}

static int make_room(struct cache *cache, size_t bytes)
{
    while (PyDict_Size(cache->entries) > 0 &&
           (PyDict_Size(cache->entries) >= cache->count_max || cache->bytes + bytes > cache->bytes_max))
        if (drop_oldest(cache) < 0)
            return -1;
    return 0;
}

int cache_put(struct cache *cache, PyObject *key, PyObject *value, size_t bytes)
{
    bytes += ENTRY_BYTES;
    int known = PyDict_Contains(cache->entries, key);
    if (known < 0 || (known > 0 && drop_entry(cache, key) < 0))
        return -1;
    if (bytes > cache->bytes_max)
        return 0;
    PyObject *size = PyLong_FromSize_t(bytes);
    int failed = size == NULL || make_room(cache, bytes) < 0 || PyDict_SetItem(cache->sizes, key, size) < 0 ? -1 : 0;
    Py_XDECREF(size);
    if (failed)
        return -1;
    cache->bytes += bytes;
    if (PyDict_SetItem(cache->entries, key, value) == 0)
        return 0;
    cache->bytes -= bytes;
    return -1;
}

size_t cache_size_of(PyObject *object)
{
    PyObject *size = PyObject_CallMethod(object, "__sizeof__", NULL);
    size_t bytes = size == NULL ? 0 : PyLong_AsSize_t(size);
    Py_XDECREF(size);
    if (PyErr_Occurred() == NULL)
        return bytes;
    interrupt_clear_error();
    return 0;
}
