/* Allocates NumPy's data memory in segments. The handler's functions use no Python: NumPy may call them from any
 * thread. */
#include "numpy/numpy_allocator.h"

#include <stdint.h>
#include <string.h>

#include "numpy/numpy_abi.h"
#include "numpy/numpy_api.h"
#include "shm/segment.h"

/* Smaller arrays are quick to copy. */
#define SIZE_MIN ((size_t)256 * 1024)
/* Segments begin at a page boundary, unlike nearly all other memory. */
#define PAGE_MIN 4096

static const struct numpy_allocator *standard; /* NumPy's own; NULL: no handler was installed */

static bool may_be_segment(const void *bytes)
{
    return (uintptr_t)bytes % PAGE_MIN == 0;
}

static void *allocate(void *context, size_t size)
{
    (void)context;
    void *bytes = size < SIZE_MIN ? NULL : segment_allocate(size);
    return bytes != NULL ? bytes : standard->allocate(standard->context, size);
}

static void *allocate_zeroed(void *context, size_t count, size_t size)
{
    (void)context;
    size_t whole;
    void *bytes = __builtin_mul_overflow(count, size, &whole) || whole < SIZE_MIN ? NULL : segment_allocate(whole);
    return bytes != NULL ? memset(bytes, 0, whole) : standard->allocate_zeroed(standard->context, count, size);
}

/* NumPy's size may differ from that of the segment, so it is not used. */
static void release(void *context, void *bytes, size_t size)
{
    (void)context;
    if (!may_be_segment(bytes) || !segment_free(bytes))
        standard->release(standard->context, bytes, size);
}

static void *reallocate(void *context, void *bytes, size_t size)
{
    size_t there = bytes != NULL && may_be_segment(bytes) ? segment_allocated(bytes) : 0;
    if (there == 0)
        return standard->reallocate(standard->context, bytes, size);
    if (size <= there && size >= SIZE_MIN)
        return bytes;
    void *moved = allocate(context, size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, bytes, size < there ? size : there);
    segment_free(bytes);
    return moved;
}

/* -- the handler -------------------------------------------------------------------------------------------------- */

static struct numpy_handler handler = {"pythonx_segments", 1, {NULL, allocate, allocate_zeroed, reallocate, release}};

/* A handler that other code has chosen is kept. */
static void install(void)
{
    numpy_set_handler *set_handler = (numpy_set_handler *)numpy_abi_table[NUMPY_SET_HANDLER];
    numpy_get_handler *get_handler = (numpy_get_handler *)numpy_abi_table[NUMPY_GET_HANDLER];
    PyObject *usual = *(PyObject **)numpy_abi_table[NUMPY_DEFAULT_HANDLER];
    PyObject *current = get_handler(), *capsule = NULL, *previous = NULL;
    const struct numpy_handler *own = PyCapsule_GetPointer(usual, NUMPY_HANDLER_NAME);
    if (current != NULL && own != NULL && current == usual) {
        capsule = PyCapsule_New(&handler, NUMPY_HANDLER_NAME, NULL);
        standard = &own->allocator;
        previous = capsule == NULL ? NULL : set_handler(capsule);
    }
    PyErr_Clear();
    Py_XDECREF(current);
    Py_XDECREF(capsule);
    Py_XDECREF(previous);
}

/* Returns whether NumPy is imported; false while another thread still imports it. */
static bool is_imported(PyObject *numpy)
{
    PyObject *spec = PyObject_GetAttrString(numpy, "__spec__");
    PyObject *initializing = spec == NULL ? NULL : PyObject_GetAttrString(spec, "_initializing");
    bool imported = spec != NULL && (initializing == NULL || PyObject_IsTrue(initializing) == 0);
    PyErr_Clear();
    Py_XDECREF(initializing);
    Py_XDECREF(spec);
    return imported;
}

void numpy_allocator_offer(void)
{
    static bool done;
    PyObject *numpy = done ? NULL : PyDict_GetItemString(PyImport_GetModuleDict(), "numpy");
    if (numpy == NULL || !is_imported(numpy))
        return;
    done = true;
    if (numpy_api_load())
        install();
}

bool numpy_allocator_is_temporary(PyObject *array, Py_ssize_t references)
{
    if (standard == NULL)
        return false;
    const void *array_type = numpy_abi_table[NUMPY_ARRAY_TYPE];
    while (Py_TYPE(array) == array_type && Py_REFCNT(array) == references) {
        const struct numpy_array *fields = (const struct numpy_array *)array;
        if (fields->base == NULL)
            return (fields->flags & NUMPY_OWNS_DATA) != 0;
        array = fields->base;
        references = 1; /* the view's */
    }
    return false;
}
