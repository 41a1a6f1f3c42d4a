/* Makes the types of module `erlang`. One struct serves all opaque types: they differ in name and repr. */
#include "codec/types.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <ei.h>

struct opaque {
    PyObject_HEAD PyObject *term; /* bytes: the term without its version byte */
};

static PyObject *atom_type;
static PyObject *pid_type, *port_type, *reference_type, *fun_type, *bitstring_type;

static PyObject *opaque_type(enum term_kind kind)
{
    switch (kind) {
    case TERM_PID:
        return pid_type;
    case TERM_PORT:
        return port_type;
    case TERM_REFERENCE:
        return reference_type;
    case TERM_FUN:
        return fun_type;
    case TERM_BITSTRING:
        return bitstring_type;
    case TERM_INTEGER:
    case TERM_FLOAT:
    case TERM_ATOM:
    case TERM_TUPLE:
    case TERM_MAP:
    case TERM_NIL:
    case TERM_STRING:
    case TERM_LIST:
    case TERM_BINARY:
        break;
    }
    return NULL;
}

PyObject *types_opaque(enum term_kind kind, const unsigned char *start, size_t length)
{
    PyTypeObject *type = (PyTypeObject *)opaque_type(kind);
    PyObject *term = PyBytes_FromStringAndSize((const char *)start, (Py_ssize_t)length);
    if (term == NULL)
        return NULL;
    struct opaque *self = (struct opaque *)PyType_GenericAlloc(type, 0);
    if (self == NULL) {
        Py_DECREF(term);
        return NULL;
    }
    self->term = term;
    return (PyObject *)self;
}

static int is_opaque(PyObject *object)
{
    PyObject *type = (PyObject *)Py_TYPE(object);
    return type == pid_type || type == reference_type || type == fun_type || type == port_type ||
           type == bitstring_type;
}

PyObject *types_opaque_term(PyObject *object)
{
    return is_opaque(object) ? ((struct opaque *)object)->term : NULL;
}

static void opaque_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    Py_XDECREF(((struct opaque *)object)->term);
    free_object(object);
    Py_DECREF(type); /* instances of heap types hold their type */
}

static Py_hash_t opaque_hash(PyObject *object)
{
    return PyObject_Hash(((struct opaque *)object)->term);
}

static PyObject *opaque_compare(PyObject *left, PyObject *right, int operator)
{
    if (Py_TYPE(left) != Py_TYPE(right) || (operator!= Py_EQ && operator!= Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    return PyObject_RichCompare(((struct opaque *)left)->term, ((struct opaque *)right)->term, operator);
}

static PyObject *show_pid(const char *term)
{
    erlang_pid pid;
    int index = 0;
    if (ei_decode_pid(term, &index, &pid) != 0)
        return NULL;
    return PyUnicode_FromFormat("<erlang.Pid %s.%u.%u>", pid.node, pid.num, pid.serial);
}

static PyObject *show_reference(const char *term)
{
    erlang_ref reference;
    int index = 0;
    if (ei_decode_ref(term, &index, &reference) != 0)
        return NULL;
    PyObject *shown = PyUnicode_FromFormat("<erlang.Reference %s", reference.node);
    for (int i = reference.len - 1; i >= 0 && shown != NULL; i--) {
        PyObject *longer = PyUnicode_FromFormat("%U.%u%s", shown, reference.n[i], i == 0 ? ">" : "");
        Py_SETREF(shown, longer);
    }
    return shown;
}

static PyObject *opaque_repr(PyObject *object)
{
    const char *term = PyBytes_AsString(((struct opaque *)object)->term);
    PyObject *type = (PyObject *)Py_TYPE(object);
    PyObject *shown = NULL;
    if (type == pid_type)
        shown = show_pid(term);
    else if (type == reference_type)
        shown = show_reference(term);
    else if (type == bitstring_type)
        shown = PyUnicode_FromFormat("<erlang.Bitstring of %zd bits>",
                                     (PyBytes_Size(((struct opaque *)object)->term) - 7) * 8 + term[5]);
    if (shown != NULL || PyErr_Occurred())
        return shown;
    PyObject *name = PyObject_GetAttrString(type, "__name__");
    if (name == NULL)
        return NULL;
    shown = PyUnicode_FromFormat("<erlang.%U of %zd bytes>", name, PyBytes_Size(((struct opaque *)object)->term));
    Py_DECREF(name);
    return shown;
}

/* Makes one opaque type; `call` may be NULL. */
static PyObject *make_opaque_type(const char *name, ternaryfunc call)
{
    PyType_Slot slots[] = {{Py_tp_dealloc, (void *)opaque_dealloc},
                           {Py_tp_hash, (void *)opaque_hash},
                           {Py_tp_richcompare, (void *)opaque_compare},
                           {Py_tp_repr, (void *)opaque_repr},
                           {Py_tp_doc, (void *)(uintptr_t) "A term of the BEAM that goes back as it came."},
                           {call == NULL ? 0 : Py_tp_call, (void *)call},
                           {0, NULL}};
    PyType_Spec spec = {.name = name,
                        .basicsize = sizeof(struct opaque),
                        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                        .slots = slots};
    return PyType_FromSpec(&spec);
}

/* -- Atom --------------------------------------------------------------------------------------------------------- */

static PyObject *atom_repr(PyObject *self)
{
    PyObject *text = PyUnicode_FromObject(self);
    PyObject *shown = text == NULL ? NULL : PyUnicode_FromFormat("Atom(%R)", text);
    Py_XDECREF(text);
    return shown;
}

static PyObject *make_atom_type(void)
{
    PyType_Slot slots[] = {{Py_tp_repr, (void *)atom_repr},
                           {Py_tp_doc, (void *)(uintptr_t) "An atom of the BEAM: a str that goes back as an atom."},
                           {0, NULL}};
    PyType_Spec spec = {.name = "erlang.Atom", .flags = Py_TPFLAGS_DEFAULT, .slots = slots};
    PyObject *bases = PyTuple_Pack(1, (PyObject *)&PyUnicode_Type);
    PyObject *type = bases == NULL ? NULL : PyType_FromSpecWithBases(&spec, bases);
    Py_XDECREF(bases);
    return type;
}

PyObject *types_atom(const char *text, Py_ssize_t length)
{
    PyObject *plain = PyUnicode_DecodeUTF8(text, length, NULL);
    if (plain == NULL)
        return NULL;
    PyObject *atom = PyObject_CallFunctionObjArgs(atom_type, plain, NULL);
    Py_DECREF(plain);
    return atom;
}

int types_is_atom(PyObject *object)
{
    return (PyObject *)Py_TYPE(object) == atom_type;
}

int types_is_pid(PyObject *object)
{
    return (PyObject *)Py_TYPE(object) == pid_type;
}

/* -- all of them -------------------------------------------------------------------------------------------------- */

static int add(PyObject *module, const char *name, PyObject **place, PyObject *value)
{
    *place = value;
    return value == NULL ? -1 : PyModule_AddObjectRef(module, name, value);
}

int types_add(PyObject *module, ternaryfunc call_function)
{
    return add(module, "Atom", &atom_type, make_atom_type()) < 0 ||
                   add(module, "Pid", &pid_type, make_opaque_type("erlang.Pid", NULL)) < 0 ||
                   add(module, "Port", &port_type, make_opaque_type("erlang.Port", NULL)) < 0 ||
                   add(module, "Reference", &reference_type, make_opaque_type("erlang.Reference", NULL)) < 0 ||
                   add(module, "Fun", &fun_type, make_opaque_type("erlang.Fun", call_function)) < 0 ||
                   add(module, "Bitstring", &bitstring_type, make_opaque_type("erlang.Bitstring", NULL)) < 0
               ? -1
               : 0;
}
