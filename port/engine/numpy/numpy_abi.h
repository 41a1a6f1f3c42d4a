/* Declares what the engine uses of NumPy's C API, as NumPy's binary interface has had it from 1.22 on, in 1.x and 2.x
 * alike: no header of NumPy is needed, and one build serves every NumPy. For numpy_api.c and numpy_allocator.c alone.
 * The source of the table's places is numpy/_core/code_generators/numpy_api.py, where a place, once given, is never
 * given to anything else; that of the structs is
 * https://numpy.org/doc/stable/reference/c-api/types-and-structures.html and NEP 49. */
#ifndef PYTHONX_NUMPY_ABI_H
#define PYTHONX_NUMPY_ABI_H

#include <stddef.h>
#include <stdint.h>

#include "python/py_api.h"

/* Places in the table that `_ARRAY_API` holds, each of a function or of the address of a type or variable. */
enum numpy_place {
    NUMPY_GET_ABI_VERSION = 0,       /* unsigned (void) */
    NUMPY_ARRAY_TYPE = 2,            /* PyTypeObject */
    NUMPY_NEW_FROM_DESCR = 94,       /* numpy_new_from_descr */
    NUMPY_GET_FEATURE_VERSION = 211, /* unsigned (void) */
    NUMPY_SET_BASE_OBJECT = 282,     /* numpy_set_base_object */
    NUMPY_SET_HANDLER = 304,         /* numpy_set_handler */
    NUMPY_GET_HANDLER = 305,         /* PyObject *(void) */
    NUMPY_DEFAULT_HANDLER = 306,     /* PyObject * */
};

#define NUMPY_ABI_NEWEST 0x02000000u /* of NumPy 2 */
#define NUMPY_FEATURES_OLDEST 0xFu   /* of NumPy 1.22: handlers of memory */

typedef unsigned numpy_get_version(void);

/* Steals the reference to the dtype; returns a new reference. */
typedef PyObject *numpy_new_from_descr(PyTypeObject *type, PyObject *dtype, int rank, const intptr_t *shape,
                                       const intptr_t *strides, void *bytes, int flags, PyObject *object);

/* Steals the reference to the base, also if it fails. */
typedef int numpy_set_base_object(PyObject *array, PyObject *base);

/* Both return a new reference to a capsule; numpy_set_handler that of the handler before. */
typedef PyObject *numpy_set_handler(PyObject *capsule);
typedef PyObject *numpy_get_handler(void);

#define NUMPY_C_CONTIGUOUS 0x0001
#define NUMPY_OWNS_DATA 0x0004
#define NUMPY_ALIGNED 0x0100
#define NUMPY_WRITEABLE 0x0400

/* The beginning of an array object. */
struct numpy_array {
    PyObject_HEAD char *data;
    int rank;
    intptr_t *shape, *strides;
    PyObject *base; /* borrowed: what owns the data, or NULL */
    PyObject *dtype;
    int flags;
};

#define NUMPY_HANDLER_NAME "mem_handler" /* of the capsule */

struct numpy_allocator {
    void *context;
    void *(*allocate)(void *context, size_t size);
    void *(*allocate_zeroed)(void *context, size_t count, size_t size);
    void *(*reallocate)(void *context, void *bytes, size_t size);
    void (*release)(void *context, void *bytes, size_t size);
};

struct numpy_handler {
    char name[127];
    uint8_t version; /* 1 */
    struct numpy_allocator allocator;
};

/* The table, set once numpy_api_load has returned true. */
extern void **numpy_abi_table;

#endif
