/* One type; a part's owner is the whole. */
#include "memory.h"

#include <stdint.h>

struct memory {
    PyObject_HEAD void *bytes;
    Py_ssize_t length;
    void (*release)(void *owner);
    void *owner;
};

static PyObject *memory_type;

static void memory_dealloc(PyObject *object)
{
    struct memory *self = (struct memory *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    self->release(self->owner);
    free_object(object);
    Py_DECREF(type); /* instances of heap types hold their type */
}

static int memory_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    const struct memory *self = (struct memory *)object;
    return PyBuffer_FillInfo(view, object, self->bytes, self->length, 0, flags);
}

int memory_start(void)
{
    PyType_Slot slots[] = {{Py_tp_dealloc, (void *)memory_dealloc},
                           {Py_bf_getbuffer, (void *)memory_get_buffer},
                           {Py_tp_doc, (void *)(uintptr_t) "Bytes that came from the BEAM, where they arrived."},
                           {0, NULL}};
    PyType_Spec spec = {.name = "_pythonx.Memory",
                        .basicsize = sizeof(struct memory),
                        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                        .slots = slots};
    memory_type = PyType_FromSpec(&spec);
    return memory_type == NULL ? -1 : 0;
}

PyObject *memory_new(void *bytes, size_t length, void (*release)(void *owner), void *owner)
{
    struct memory *self = (struct memory *)PyType_GenericAlloc((PyTypeObject *)memory_type, 0);
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

PyObject *memory_part(PyObject *whole, const void *bytes, size_t length)
{
    /* The whole is writable, whatever the span says through which its reader found the part. */
    PyObject *part = memory_new((void *)(uintptr_t)bytes, length, release_whole, whole);
    if (part != NULL)
        Py_INCREF(whole);
    return part;
}
