/* Makes buffers of one type; the owner of a slice is the whole. */
#include "python/buffer.h"

#include <stdint.h>

struct buffer {
    PyObject_HEAD void *bytes;
    Py_ssize_t length;
    void (*release)(void *owner);
    void *owner;
};

static PyObject *buffer_type;

static void buffer_dealloc(PyObject *object)
{
    struct buffer *self = (struct buffer *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    self->release(self->owner);
    free_object(object);
    Py_DECREF(type); /* instances of heap types hold their type */
}

static int buffer_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    const struct buffer *self = (struct buffer *)object;
    return PyBuffer_FillInfo(view, object, self->bytes, self->length, 0, flags);
}

int buffer_start(void)
{
    PyType_Slot slots[] = {{Py_tp_dealloc, (void *)buffer_dealloc},
                           {Py_bf_getbuffer, (void *)buffer_get_buffer},
                           {Py_tp_doc, (void *)(uintptr_t) "Bytes that came from the BEAM, where they arrived."},
                           {0, NULL}};
    PyType_Spec spec = {.name = "_pythonx.Memory",
                        .basicsize = sizeof(struct buffer),
                        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                        .slots = slots};
    buffer_type = PyType_FromSpec(&spec);
    return buffer_type == NULL ? -1 : 0;
}

PyObject *buffer_new(void *bytes, size_t length, void (*release)(void *owner), void *owner)
{
    struct buffer *self = (struct buffer *)PyType_GenericAlloc((PyTypeObject *)buffer_type, 0);
    if (self == NULL)
        return NULL;
    self->bytes = bytes;
    self->length = (Py_ssize_t)length;
    self->release = release;
    self->owner = owner;
    return (PyObject *)self;
}

static void release_whole(void *owner)
{
    Py_DECREF((PyObject *)owner);
}

PyObject *buffer_slice(PyObject *whole, const void *bytes, size_t length)
{
    /* The whole is writable, even if it was read through a span of const bytes. */
    PyObject *part = buffer_new((void *)(uintptr_t)bytes, length, release_whole, whole);
    if (part != NULL)
        Py_INCREF(whole);
    return part;
}
