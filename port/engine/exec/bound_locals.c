/* Passes everything on to an object of bound_names.py. */
#include "exec/bound_locals.h"

#include <stdint.h>

struct bound_locals {
    PyObject_HEAD PyObject *names, *cells, *globals, *hidden;
    PyObject *mapping; /* NULL before it is needed */
};

static PyObject *locals_type, *make_mapping;

/* -- its life ----------------------------------------------------------------------------------------------------- */

static int locals_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct bound_locals *locals = (struct bound_locals *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(locals->cells);
    Py_VISIT(locals->globals);
    Py_VISIT(locals->mapping);
    return 0;
}

static int locals_clear(PyObject *object)
{
    struct bound_locals *locals = (struct bound_locals *)object;
    Py_CLEAR(locals->names);
    Py_CLEAR(locals->cells);
    Py_CLEAR(locals->globals);
    Py_CLEAR(locals->hidden);
    Py_CLEAR(locals->mapping);
    return 0;
}

static void locals_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)locals_clear(object);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

PyObject *bound_locals_new(PyObject *names, PyObject *cells, PyObject *globals, PyObject *hidden)
{
    struct bound_locals *locals = PyObject_GC_New(struct bound_locals, (PyTypeObject *)locals_type);
    if (locals == NULL)
        return NULL;
    locals->names = Py_NewRef(names);
    locals->cells = Py_NewRef(cells);
    locals->globals = Py_NewRef(globals);
    locals->hidden = Py_NewRef(hidden);
    locals->mapping = NULL;
    PyObject_GC_Track(locals);
    return (PyObject *)locals;
}

/* -- what it does ------------------------------------------------------------------------------------------------- */

/* Returns a borrowed reference; NULL with an error set. */
static PyObject *mapping_of(PyObject *object)
{
    struct bound_locals *locals = (struct bound_locals *)object;
    if (locals->mapping == NULL && locals->cells != NULL)
        locals->mapping = PyObject_CallFunctionObjArgs(make_mapping, locals->names, locals->cells, locals->globals,
                                                       locals->hidden, NULL);
    if (locals->mapping == NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_RuntimeError, "the request's names are gone");
    return locals->mapping;
}

static PyObject *locals_get(PyObject *object, PyObject *key)
{
    PyObject *mapping = mapping_of(object);
    return mapping == NULL ? NULL : PyObject_GetItem(mapping, key);
}

static int locals_set(PyObject *object, PyObject *key, PyObject *value)
{
    PyObject *mapping = mapping_of(object);
    if (mapping == NULL)
        return -1;
    return value == NULL ? PyObject_DelItem(mapping, key) : PyObject_SetItem(mapping, key, value);
}

static Py_ssize_t locals_length(PyObject *object)
{
    PyObject *mapping = mapping_of(object);
    return mapping == NULL ? -1 : PyObject_Size(mapping);
}

static int locals_contains(PyObject *object, PyObject *key)
{
    PyObject *mapping = mapping_of(object);
    return mapping == NULL ? -1 : PySequence_Contains(mapping, key);
}

static PyObject *locals_iterate(PyObject *object)
{
    PyObject *mapping = mapping_of(object);
    return mapping == NULL ? NULL : PyObject_GetIter(mapping);
}

static PyObject *locals_attribute(PyObject *object, PyObject *name)
{
    PyObject *mapping = mapping_of(object);
    return mapping == NULL ? NULL : PyObject_GetAttr(mapping, name);
}

static PyObject *locals_repr(PyObject *object)
{
    PyObject *mapping = mapping_of(object);
    return mapping == NULL ? NULL : PyObject_Repr(mapping);
}

static PyObject *locals_compare(PyObject *object, PyObject *other, int operation)
{
    PyObject *mapping = mapping_of(object);
    return mapping == NULL ? NULL : PyObject_RichCompare(mapping, other, operation);
}

/* Either side may be the locals. */
static PyObject *locals_or(PyObject *left, PyObject *right)
{
    PyObject *a = (PyObject *)Py_TYPE(left) == locals_type ? mapping_of(left) : left;
    PyObject *b = a != NULL && (PyObject *)Py_TYPE(right) == locals_type ? mapping_of(right) : right;
    return a == NULL || b == NULL ? NULL : PyNumber_Or(a, b);
}

int bound_locals_start(PyObject *function)
{
    PyType_Slot slots[] = {{Py_tp_dealloc, (void *)locals_dealloc},
                           {Py_tp_traverse, (void *)locals_traverse},
                           {Py_tp_clear, (void *)locals_clear},
                           {Py_mp_subscript, (void *)locals_get},
                           {Py_mp_ass_subscript, (void *)locals_set},
                           {Py_mp_length, (void *)locals_length},
                           {Py_sq_contains, (void *)locals_contains},
                           {Py_tp_iter, (void *)locals_iterate},
                           {Py_tp_getattro, (void *)locals_attribute},
                           {Py_tp_repr, (void *)locals_repr},
                           {Py_tp_richcompare, (void *)locals_compare},
                           {Py_nb_or, (void *)locals_or},
                           {Py_tp_hash, (void *)PyObject_HashNotImplemented},
                           {Py_tp_doc, (void *)(uintptr_t) "The names that the code of a request sees."},
                           {0, NULL}};
    PyType_Spec spec = {.name = "erlang.Names",
                        .basicsize = sizeof(struct bound_locals),
                        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                        .slots = slots};
    make_mapping = function;
    Py_SETREF(locals_type, PyType_FromSpec(&spec));
    return locals_type == NULL ? -1 : 0;
}
