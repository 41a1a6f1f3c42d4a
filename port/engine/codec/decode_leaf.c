/* Decodes numbers, atoms, binaries and opaque terms. */
#include "codec/decode_leaf.h"

#include <string.h>

#include <ei.h>

#include "codec/atom_budget.h"
#include "codec/decode_fail.h"
#include "codec/intern.h"
#include "codec/types.h"
#include "os/huge_pages.h"

#define LARGE ((size_t)1024 * 1024)

static struct intern atoms, texts;

static PyObject *decode_big_integer(const struct term_head *head)
{
    PyObject *magnitude = PyObject_CallMethod((PyObject *)&PyLong_Type, "from_bytes", "y#s", (const char *)head->data,
                                              (Py_ssize_t)head->length, "little");
    if (magnitude == NULL || head->detail == 0)
        return magnitude;
    PyObject *negative = PyNumber_Negative(magnitude);
    Py_DECREF(magnitude);
    return negative;
}

PyObject *decode_integer(const struct term_head *head)
{
    long long value;
    return term_integer(head, &value) ? PyLong_FromLongLong(value) : decode_big_integer(head);
}

PyObject *decode_float(const struct decoder *decoder, const struct term_head *head)
{
    /* The old form is text that ei reads up to a NUL byte, which need not be in the frame. */
    char copy[1 + 31 + 1] = {0};
    double value;
    int index = 0;
    memcpy(copy, head->start, 1 + head->length);
    if (ei_decode_double(copy, &index, &value) != 0 || !isfinite(value))
        return decode_fail_at(decoder, head->start, "not a finite float");
    return PyFloat_FromDouble(value);
}

static PyObject *make_atom(const unsigned char *bytes, size_t length)
{
    static const struct {
        const char *name;
        double value;
    } floats[] = {{"nan", NAN}, {"infinity", INFINITY}, {"neg_infinity", -INFINITY}};
    const struct term_head head = {.kind = TERM_ATOM, .data = bytes, .length = length};
    if (term_is_atom(&head, "nil"))
        return Py_NewRef(Py_None);
    if (term_is_atom(&head, "true"))
        return Py_NewRef(Py_True);
    if (term_is_atom(&head, "false"))
        return Py_NewRef(Py_False);
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        if (term_is_atom(&head, floats[i].name))
            return PyFloat_FromDouble(floats[i].value);
    PyObject *atom = types_atom((const char *)bytes, (Py_ssize_t)length);
    if (atom != NULL)
        atom_budget_note(atom);
    return atom;
}

static PyObject *decode_latin1_atom(const struct term_head *head)
{
    PyObject *text = PyUnicode_DecodeLatin1((const char *)head->data, (Py_ssize_t)head->length, NULL);
    Py_ssize_t length;
    const char *utf8 = text == NULL ? NULL : PyUnicode_AsUTF8AndSize(text, &length);
    PyObject *atom = utf8 == NULL ? NULL : make_atom((const unsigned char *)utf8, (size_t)length);
    Py_XDECREF(text);
    return atom;
}

PyObject *decode_atom(const struct decoder *decoder, const struct term_head *head)
{
    PyObject *object =
        term_atom_is_latin1(head) ? decode_latin1_atom(head) : intern_get(&atoms, head->data, head->length, make_atom);
    if (object == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        return decode_fail_at(decoder, head->start, "an atom that is not UTF-8");
    }
    return object;
}

static PyObject *make_text(const unsigned char *bytes, size_t length)
{
    return PyUnicode_DecodeUTF8((const char *)bytes, (Py_ssize_t)length, NULL);
}

/* Large bytes are copied into memory that may be of huge pages. */
static PyObject *make_bytes(const unsigned char *data, size_t length)
{
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)length);
    char *to = bytes == NULL ? NULL : PyBytes_AsString(bytes);
    if (to == NULL)
        return bytes;
    huge_pages_advise(to, length);
    memcpy(to, data, length);
    return bytes;
}

PyObject *decode_binary(const struct decoder *decoder, const unsigned char *start, const unsigned char *data,
                        size_t length, bool is_key)
{
    if (decoder->bytes)
        return length < LARGE ? PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)length)
                              : make_bytes(data, length);
    PyObject *text = is_key ? intern_get(&texts, data, length, make_text) : make_text(data, length);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        return decode_fail_at(
            decoder, start,
            "a binary that is not UTF-8: send it as %PythonxPort.Bytes{}, or set the option binaries to "
            "bytes");
    }
    return text;
}

PyObject *decode_string(const struct term_head *head)
{
    PyObject *list = PyList_New((Py_ssize_t)head->length);
    for (size_t i = 0; list != NULL && i < head->length; i++)
        PyList_SetItem(list, (Py_ssize_t)i, PyLong_FromLong(head->data[i]));
    return list;
}

/* An opaque term is sent back verbatim, so it must be a term that a BEAM reads. */
PyObject *decode_opaque(struct decoder *decoder, const struct term_head *head)
{
    decoder->span.position = (size_t)(head->start - decoder->span.bytes);
    enum term_status status = term_check(&decoder->span);
    if (status != TERM_OK)
        return decode_fail_status(decoder, status);
    return types_opaque(head->kind, head->start, (size_t)(span_here(&decoder->span) - head->start));
}
