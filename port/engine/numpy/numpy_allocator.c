/* Allocates NumPy's data memory in segments. The handler's functions use no Python: NumPy may call them from any
 * thread. */
#include "numpy/numpy_allocator.h"

#ifdef PYTHONX_WITH_NUMPY

#    include <stdint.h>
#    include <string.h>

#    include "numpy/numpy_api.h"
#    include "numpy/numpy_headers.h"
#    include "shm/segment.h"

/* Smaller arrays are quick to copy. */
#    define SIZE_MIN ((size_t)256 * 1024)
/* Segments begin at a page boundary, unlike nearly all other memory. */
#    define PAGE_MIN 4096

static const PyDataMemAllocator *standard; /* NumPy's own; NULL: no handler was installed */

static bool may_be_segment(const void *bytes)
{
    return (uintptr_t)bytes % PAGE_MIN == 0;
}

static void *allocate(void *context, size_t size)
{
    (void)context;
    void *bytes = size < SIZE_MIN ? NULL : segment_allocate(size);
    return bytes != NULL ? bytes : standard->malloc(standard->ctx, size);
}

static void *allocate_zeroed(void *context, size_t count, size_t size)
{
    (void)context;
    size_t whole;
    void *bytes = __builtin_mul_overflow(count, size, &whole) || whole < SIZE_MIN ? NULL : segment_allocate(whole);
    return bytes != NULL ? memset(bytes, 0, whole) : standard->calloc(standard->ctx, count, size);
}

/* NumPy's size may differ from that of the segment, so it is not used. */
static void release(void *context, void *bytes, size_t size)
{
    (void)context;
    if (!may_be_segment(bytes) || !segment_free(bytes))
        standard->free(standard->ctx, bytes, size);
}

static void *reallocate(void *context, void *bytes, size_t size)
{
    size_t there = bytes != NULL && may_be_segment(bytes) ? segment_allocated(bytes) : 0;
    if (there == 0)
        return standard->realloc(standard->ctx, bytes, size);
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

static PyDataMem_Handler handler = {"pythonx_segments", 1, {NULL, allocate, allocate_zeroed, reallocate, release}};

#    define HANDLER_NAME "mem_handler" /* what NumPy expects of the capsule */

/* A handler that other code has chosen is kept. */
static void install(void)
{
    PyObject *current = PyDataMem_GetHandler(), *capsule = NULL, *previous = NULL;
    PyDataMem_Handler *own = PyCapsule_GetPointer(PyDataMem_DefaultHandler, HANDLER_NAME);
    if (current != NULL && own != NULL && current == PyDataMem_DefaultHandler) {
        capsule = PyCapsule_New(&handler, HANDLER_NAME, NULL);
        standard = &own->allocator;
        previous = capsule == NULL ? NULL : PyDataMem_SetHandler(capsule);
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
    while (PyArray_CheckExact(array) && Py_REFCNT(array) == references) {
        PyObject *base = PyArray_BASE((PyArrayObject *)array);
        if (base == NULL)
            return PyArray_CHKFLAGS((PyArrayObject *)array, NPY_ARRAY_OWNDATA);
        array = base;
        references = 1; /* the view's */
    }
    return false;
}

#else

void numpy_allocator_offer(void)
{
}

bool numpy_allocator_is_temporary(PyObject *array, Py_ssize_t references)
{
    (void)array, (void)references;
    return false;
}

#endif
