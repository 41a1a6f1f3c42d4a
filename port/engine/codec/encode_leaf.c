/* Encodes numbers, texts, atoms and bytes. */
#include "codec/encode_leaf.h"

#include <math.h>
#include <stdlib.h>

#include "python/errors.h"
#include "python/interrupt.h"
#include "shm/large_binary.h"

int encode_fail(const char *what)
{
    PyErr_SetString(errors_EncodeError, what);
    return -1;
}

int encode_fail_over_limit(const struct message *message)
{
    PyErr_Format(errors_EncodeError,
                 "the value takes at least %zu bytes, and %zu are allowed: send less, or raise the limit (max_result)",
                 message->needed, message->limited_bytes);
    return -1;
}

int encode_big_integer(struct message *message, PyObject *object, bool negative)
{
    int result = -1;
    PyObject *bits = NULL, *digits = NULL;
    PyObject *magnitude = PyNumber_Absolute(object);
    if (magnitude == NULL)
        goto done;
    bits = PyObject_CallMethod(magnitude, "bit_length", NULL);
    Py_ssize_t length = bits == NULL ? -1 : PyLong_AsSsize_t(bits);
    if (length < 0)
        goto done;
    length = (length + 7) / 8;
    if (!message_allows(message, 3 + (size_t)length)) {
        result = 0;
        goto done;
    }
    digits = PyObject_CallMethod(magnitude, "to_bytes", "ns", length, "little");
    if (digits == NULL)
        goto done;
    if ((size_t)length > UINT32_MAX) {
        encode_fail("an integer too large to be sent");
        goto done;
    }
    message_put_big(message, PyBytes_AsString(digits), (size_t)length, negative);
    result = 0;
done:
    Py_XDECREF(magnitude);
    Py_XDECREF(bits);
    Py_XDECREF(digits);
    return result;
}

int encode_float(struct message *message, PyObject *object)
{
    double value = PyFloat_AsDouble(object);
    if (value == -1.0 && PyErr_Occurred())
        return -1;
    if (isfinite(value))
        message_put_float(message, value);
    else
        message_put_atom_text(message, isnan(value) ? "nan" : value > 0 ? "infinity" : "neg_infinity");
    return 0;
}

static const char *utf8_of(PyObject *object, Py_ssize_t *length)
{
    const char *text = PyUnicode_AsUTF8AndSize(object, length);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        PyErr_Clear();
        encode_fail("a str with lone surrogates is no UTF-8 (send its bytes)");
    }
    return text;
}

static void release_object(void *owner)
{
    Py_DECREF((PyObject *)owner);
}

static int put_bytes(struct message *message, PyObject *owner, const char *bytes, Py_ssize_t length)
{
    return large_binary_put(message, bytes, (size_t)length, release_object, Py_NewRef(owner));
}

int encode_text(struct message *message, PyObject *object)
{
    Py_ssize_t length;
    /* The text becomes UTF-8, of as many bytes at least. */
    if (message->limit > 0 && !message_allows(message, MESSAGE_BINARY_HEAD + (size_t)PyUnicode_GetLength(object)))
        return 0;
    const char *utf8 = utf8_of(object, &length);
    return utf8 == NULL ? -1 : put_bytes(message, object, utf8, length);
}

int encode_atom(struct message *message, PyObject *object, struct atom_list *created)
{
    Py_ssize_t length, characters = PyUnicode_GetLength(object);
    if (characters > 255)
        return encode_fail("an atom of more than 255 characters");
    const char *utf8 = utf8_of(object, &length);
    if (utf8 == NULL || atom_budget_admit(object, created) < 0)
        return -1;
    message_put_atom(message, utf8, (size_t)length);
    return 0;
}

int encode_bytes(struct message *message, PyObject *object)
{
    char *data;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(object, &data, &length) < 0)
        return -1;
    return put_bytes(message, object, data, length);
}

int encode_buffer(struct message *message, PyObject *object)
{
    Py_buffer *view = malloc(sizeof *view);
    if (view == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS) == 0)
        return large_binary_put_view(message, view);
    interrupt_clear_error();
    bool allowed = true;
    if (message->limit > 0 && PyObject_GetBuffer(object, view, PyBUF_STRIDED_RO) == 0) {
        allowed = message_allows(message, MESSAGE_BINARY_HEAD + (size_t)view->len);
        PyBuffer_Release(view);
    }
    free(view);
    interrupt_clear_error();
    if (!allowed)
        return 0;
    /* A strided buffer is copied first. */
    PyObject *copy = PyObject_CallFunctionObjArgs((PyObject *)&PyBytes_Type, object, NULL);
    if (copy == NULL)
        return -1;
    int failed = encode_bytes(message, copy);
    Py_DECREF(copy);
    return failed;
}
