/* Encodes references to objects that stay in the session. */
#include "codec/encode.h"

#include "codec/structs.h"
#include "python/interrupt.h"
#include "python/lossy_text.h"
#include "python/type_name.h"

/* How many characters of an object's repr are sent with a reference to it. */
#define REPR_SHOWN 200

/* Never fails: a reference is useful without its repr. */
static PyObject *make_short_repr(PyObject *object)
{
    PyObject *whole = PyObject_Repr(object);
    if (whole == NULL) {
        interrupt_clear_error();
        return PyUnicode_FromString("<repr failed>");
    }
    PyObject *start = PyUnicode_GetLength(whole) > REPR_SHOWN ? PyUnicode_Substring(whole, 0, REPR_SHOWN) : NULL;
    PyObject *shown = start == NULL ? Py_NewRef(whole) : PyUnicode_FromFormat("%U\xe2\x80\xa6", start);
    interrupt_clear_error();
    Py_DECREF(whole);
    Py_XDECREF(start);
    return shown;
}

int encode_reference(struct message *message, unsigned long long number, PyObject *object)
{
    PyObject *type = type_name_of(object, "builtins"), *repr = make_short_repr(object);
    message_put_map(message, 4);
    message_put_atom_text(message, "__struct__");
    message_put_atom_text(message, STRUCTS_OBJECT);
    message_put_atom_text(message, "ref");
    message_put_unsigned(message, number);
    message_put_atom_text(message, "type");
    lossy_text_put(message, type, "?");
    message_put_atom_text(message, "repr");
    lossy_text_put(message, repr, "?");
    Py_XDECREF(type);
    Py_XDECREF(repr);
    return 0;
}
