/* Objects to terms: exact built-in types first, then what structs.py knows of the type. */
#include "codec/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/recursion.h"
#include "codec/structs.h"
#include "codec/types.h"
#include "codec/value_path.h"
#include "numpy/tensor.h"
#include "python/errors.h"
#include "shm/large_binary.h"
#include "wire/frame.h"

/* As much of an object's repr goes along with a reference to it. */
#define REPR_SHOWN 200

enum { SMALL_BIG_EXT = 110, LARGE_BIG_EXT = 111 };

struct encoder {
    struct message *message;
    unsigned depth;
    /* How many references the object at hand has if nobody but this encoder and whoever called it has any, directly or
     * through what it is in; 0 where it was seen that somebody has. */
    Py_ssize_t references;
    struct value_path path;
};

static int encode(struct encoder *encoder, PyObject *object);

static int fail(const char *what)
{
    PyErr_SetString(errors_EncodeError, what);
    return -1;
}

/* -- leaves -------------------------------------------------------------------------------------------------------- */

/* Integers over 64 bits: their digits, little-endian, as int.to_bytes gives them. */
static int big_integer(struct encoder *encoder, PyObject *object, int negative)
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
    digits = PyObject_CallMethod(magnitude, "to_bytes", "ns", length, "little");
    if (digits == NULL)
        goto done;
    if ((size_t)length > UINT32_MAX) {
        fail("an integer too large for the term format");
        goto done;
    }
    unsigned char head[6];
    size_t head_length = 0;
    if (length <= UINT8_MAX) {
        head[head_length++] = SMALL_BIG_EXT;
        head[head_length++] = (unsigned char)length;
    } else {
        head[head_length++] = LARGE_BIG_EXT;
        frame_put_length(head + head_length, (size_t)length);
        head_length += 4;
    }
    head[head_length++] = (unsigned char)negative;
    message_put_raw(encoder->message, head, head_length);
    message_put_raw(encoder->message, PyBytes_AsString(digits), (size_t)length);
    result = 0;
done:
    Py_XDECREF(magnitude);
    Py_XDECREF(bits);
    Py_XDECREF(digits);
    return result;
}

static int integer(struct encoder *encoder, PyObject *object)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow != 0)
        return big_integer(encoder, object, overflow < 0);
    if (value == -1 && PyErr_Occurred())
        return -1;
    message_put_integer(encoder->message, value);
    return 0;
}

static int floating(struct encoder *encoder, PyObject *object)
{
    double value = PyFloat_AsDouble(object);
    if (value == -1.0 && PyErr_Occurred())
        return -1;
    if (isfinite(value))
        message_put_float(encoder->message, value);
    else
        message_put_atom_text(encoder->message, isnan(value) ? "nan" : value > 0 ? "infinity" : "neg_infinity");
    return 0;
}

static const char *utf8_of(PyObject *object, Py_ssize_t *length)
{
    const char *text = PyUnicode_AsUTF8AndSize(object, length);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        PyErr_Clear();
        fail("a str with lone surrogates is no UTF-8 (send its bytes)");
    }
    return text;
}

static void release_object(void *owner)
{
    Py_DECREF((PyObject *)owner);
}

static int put_bytes(struct encoder *encoder, PyObject *owner, const char *bytes, Py_ssize_t length)
{
    return large_binary_put(encoder->message, bytes, (size_t)length, release_object, Py_NewRef(owner));
}

static int text(struct encoder *encoder, PyObject *object)
{
    Py_ssize_t length;
    const char *utf8 = utf8_of(object, &length);
    return utf8 == NULL ? -1 : put_bytes(encoder, object, utf8, length);
}

static int atom(struct encoder *encoder, PyObject *object)
{
    Py_ssize_t length, characters = PyUnicode_GetLength(object);
    if (characters > 255)
        return fail("an atom of more than 255 characters");
    const char *utf8 = utf8_of(object, &length);
    if (utf8 != NULL)
        message_put_atom(encoder->message, utf8, (size_t)length);
    return utf8 == NULL ? -1 : 0;
}

static int bytes(struct encoder *encoder, PyObject *object)
{
    char *data;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(object, &data, &length) < 0)
        return -1;
    return put_bytes(encoder, object, data, length);
}

static int buffer(struct encoder *encoder, PyObject *object)
{
    Py_buffer *view = malloc(sizeof *view);
    if (view == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS) == 0)
        return large_binary_put_view(encoder->message, view);
    free(view);
    PyErr_Clear();
    /* Strided. */
    PyObject *copy = PyObject_CallFunctionObjArgs((PyObject *)&PyBytes_Type, object, NULL);
    if (copy == NULL)
        return -1;
    int failed = bytes(encoder, copy);
    Py_DECREF(copy);
    return failed;
}

/* -- lists, tuples, maps ------------------------------------------------------------------------------------------- */

/* The object is held while it is encoded: an encoder written in Python may drop it from where it stands. */
static int encode_held(struct encoder *encoder, PyObject *object)
{
    /* That runs no code which could take it away. */
    if (Py_TYPE(object) == &PyLong_Type)
        return integer(encoder, object);
    Py_INCREF(object);
    int failed = encode(encoder, object);
    Py_DECREF(object);
    return failed;
}

static int list(struct encoder *encoder, PyObject *object)
{
    Py_ssize_t length = PyList_Size(object);
    if ((size_t)length > UINT32_MAX)
        return fail("a list too long for the term format");
    if (length > 0)
        message_put_list(encoder->message, (uint32_t)length);
    for (Py_ssize_t i = 0; i < length; i++) {
        PyObject *item = PyList_GetItem(object, i);
        if (item == NULL) {
            PyErr_Clear();
            return fail("the list changed while it was encoded");
        }
        if (encode_held(encoder, item) < 0) {
            value_path_prepend_index(&encoder->path, i);
            return -1;
        }
    }
    if (PyList_Size(object) != length)
        return fail("the list changed while it was encoded");
    message_put_nil_list(encoder->message);
    return 0;
}

static int tuple(struct encoder *encoder, PyObject *object)
{
    Py_ssize_t length = PyTuple_Size(object);
    if ((size_t)length > UINT32_MAX)
        return fail("a tuple too long for the term format");
    message_put_tuple(encoder->message, (uint32_t)length);
    for (Py_ssize_t i = 0; i < length; i++) {
        if (encode(encoder, PyTuple_GetItem(object, i)) < 0) {
            value_path_prepend_index(&encoder->path, i);
            return -1;
        }
    }
    return 0;
}

struct key_place {
    size_t offset, length;
};

static const unsigned char *sorting; /* qsort has no argument for it; guarded by the GIL, which nothing here releases */

static int compare_keys(const void *left, const void *right)
{
    const struct key_place *a = left, *b = right;
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(sorting + a->offset, sorting + b->offset, shorter);
    if (order != 0)
        return order;
    return a->length < b->length ? -1 : a->length > b->length;
}

/* Keys that differ in Python, such as "a" and b"a", may be one term. The term format has no place for both. */
static int check_keys(const struct encoder *encoder, struct key_place *keys, size_t count)
{
    sorting = encoder->message->bytes;
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) == 0)
            return fail("two keys that are the same Erlang term");
    return 0;
}

static int is_plain_key(PyObject *key)
{
    return PyUnicode_CheckExact(key);
}

/* `place`, where not NULL, takes where the key stands in the buffer, all of it. */
static int pair_key(struct encoder *encoder, PyObject *key, struct key_place *place)
{
    size_t start = encoder->message->length;
    bool outer = encoder->message->whole;
    encoder->message->whole = true; /* keys are compared there, and no client looks for segments in them */
    int failed = encode(encoder, key);
    encoder->message->whole = outer;
    if (failed)
        value_path_prepend(&encoder->path, "[key]");
    else if (place != NULL)
        *place = (struct key_place){start, encoder->message->length - start};
    return failed;
}

/* `keys`, where not NULL, takes the place of each key in the buffer. */
static int pairs(struct encoder *encoder, PyObject *dict, struct key_place *keys, Py_ssize_t size)
{
    Py_ssize_t position = 0, count = 0;
    PyObject *key, *value;
    while (PyDict_Next(dict, &position, &key, &value)) {
        if (count == size || PyDict_Size(dict) != size)
            return fail("the dict changed while it was encoded");
        Py_INCREF(key);
        Py_INCREF(value);
        int failed = pair_key(encoder, key, keys == NULL ? NULL : &keys[count]);
        count++;
        if (!failed && (failed = encode(encoder, value)) < 0)
            value_path_prepend_key(&encoder->path, key);
        Py_DECREF(key);
        Py_DECREF(value);
        if (failed)
            return -1;
    }
    return count == size ? 0 : fail("the dict changed while it was encoded");
}

static int has_plain_keys(PyObject *dict)
{
    Py_ssize_t position = 0;
    PyObject *key;
    while (PyDict_Next(dict, &position, &key, NULL))
        if (!is_plain_key(key))
            return 0;
    return 1;
}

static int map(struct encoder *encoder, PyObject *dict)
{
    Py_ssize_t size = PyDict_Size(dict);
    if (size < 0 || (size_t)size > UINT32_MAX)
        return fail("a dict too large for the term format");
    struct key_place *keys = NULL;
    if (size > 1 && !has_plain_keys(dict)) {
        keys = malloc((size_t)size * sizeof *keys);
        if (keys == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    message_put_map(encoder->message, (uint32_t)size);
    int failed = pairs(encoder, dict, keys, size);
    if (!failed && keys != NULL && !encoder->message->failed)
        failed = check_keys(encoder, keys, (size_t)size);
    free(keys);
    return failed;
}

/* -- everything else ----------------------------------------------------------------------------------------------- */

static int as_base(struct encoder *encoder, PyObject *object, const PyTypeObject *base)
{
    if (base == &PyLong_Type)
        return integer(encoder, object);
    if (base == &PyFloat_Type)
        return floating(encoder, object);
    if (base == &PyUnicode_Type)
        return text(encoder, object);
    if (base == &PyBytes_Type)
        return bytes(encoder, object);
    if (base == &PyByteArray_Type || base == &PyMemoryView_Type)
        return buffer(encoder, object);
    if (base == &PyList_Type)
        return list(encoder, object);
    if (base == &PyTuple_Type)
        return tuple(encoder, object);
    return map(encoder, object);
}

static int simplified(struct encoder *encoder, PyObject *object)
{
    PyTypeObject *base;
    PyObject *simple = structs_simplify(object, &base);
    if (simple == NULL)
        return -1;
    encoder->references = base != NULL ? 0 : 1;
    int failed = base != NULL ? as_base(encoder, simple, base) : encode(encoder, simple);
    Py_DECREF(simple);
    return failed;
}

static int nested(struct encoder *encoder, PyObject *object, const PyTypeObject *type)
{
    if (recursion_is_too_deep(encoder->depth))
        return fail("nested too deeply, or without end");
    encoder->depth++;
    Py_ssize_t references = encoder->references;
    bool sole = references > 0 && Py_REFCNT(object) == references;
    int failed;
    /* An item's references: by what it is in, and by who holds it while it is encoded. */
    encoder->references = !sole ? 0 : type == &PyTuple_Type ? 1 : 2;
    if (type == &PyList_Type)
        failed = list(encoder, object);
    else if (type == &PyDict_Type)
        failed = map(encoder, object);
    else if (type == &PyTuple_Type)
        failed = tuple(encoder, object);
    else if (tensor_is_array(object))
        failed = tensor_put(encoder->message, object, references);
    else
        failed = simplified(encoder, object);
    encoder->references = references;
    encoder->depth--;
    return failed;
}

static int singleton(struct encoder *encoder, const char *name)
{
    message_put_atom_text(encoder->message, name);
    return 0;
}

static int encode(struct encoder *encoder, PyObject *object)
{
    const PyTypeObject *type = Py_TYPE(object);
    if (type == &PyUnicode_Type)
        return text(encoder, object);
    if (type == &PyLong_Type)
        return integer(encoder, object);
    if (type == &PyFloat_Type)
        return floating(encoder, object);
    if (type == &PyDict_Type || type == &PyList_Type || type == &PyTuple_Type)
        return nested(encoder, object, type);
    if (object == Py_None)
        return singleton(encoder, "nil");
    if (type == &PyBool_Type)
        return singleton(encoder, object == Py_True ? "true" : "false");
    if (type == &PyBytes_Type)
        return bytes(encoder, object);
    if (types_is_atom(object))
        return atom(encoder, object);
    PyObject *term = types_opaque_term(object);
    if (term != NULL) {
        message_put_raw(encoder->message, PyBytes_AsString(term), (size_t)PyBytes_Size(term));
        return 0;
    }
    return nested(encoder, object, type);
}

int encode_object(struct message *message, PyObject *object, const char *name)
{
    struct encoder encoder = {.message = message, .references = 1};
    if (encode(&encoder, object) == 0)
        return 0;
    value_path_prepend(&encoder.path, name);
    value_path_raise(&encoder.path, errors_EncodeError);
    return -1;
}

/* -- references ---------------------------------------------------------------------------------------------------- */

static PyObject *type_name(PyObject *object)
{
    PyObject *type = (PyObject *)Py_TYPE(object);
    PyObject *module = PyObject_GetAttrString(type, "__module__");
    PyObject *name = PyObject_GetAttrString(type, "__qualname__");
    PyObject *whole = NULL;
    if (module != NULL && name != NULL)
        whole = PyUnicode_Check(module) && PyUnicode_CompareWithASCIIString(module, "builtins") == 0
                    ? Py_NewRef(name)
                    : PyUnicode_FromFormat("%S.%S", module, name);
    Py_XDECREF(module);
    Py_XDECREF(name);
    return whole;
}

/* A repr that fails is no reason to withhold the reference. */
static PyObject *short_repr(PyObject *object)
{
    PyObject *whole = PyObject_Repr(object);
    if (whole == NULL) {
        PyErr_Clear();
        return PyUnicode_FromString("<repr failed>");
    }
    PyObject *start = PyUnicode_GetLength(whole) > REPR_SHOWN ? PyUnicode_Substring(whole, 0, REPR_SHOWN) : NULL;
    PyObject *shown = start == NULL ? Py_NewRef(whole) : PyUnicode_FromFormat("%U\xe2\x80\xa6", start);
    PyErr_Clear();
    Py_DECREF(whole);
    Py_XDECREF(start);
    return shown;
}

static void put_lossy(struct message *message, PyObject *string)
{
    PyObject *utf8 = string == NULL ? NULL : PyUnicode_AsEncodedString(string, "utf-8", "backslashreplace");
    if (utf8 != NULL)
        message_put_binary(message, PyBytes_AsString(utf8), (size_t)PyBytes_Size(utf8));
    else
        message_put_text(message, "?");
    PyErr_Clear();
    Py_XDECREF(utf8);
}

int encode_reference(struct message *message, unsigned long long number, PyObject *object)
{
    PyObject *type = type_name(object), *repr = short_repr(object);
    message_put_map(message, 4);
    message_put_atom_text(message, "__struct__");
    message_put_atom_text(message, STRUCTS_OBJECT);
    message_put_atom_text(message, "ref");
    message_put_unsigned(message, number);
    message_put_atom_text(message, "type");
    put_lossy(message, type);
    message_put_atom_text(message, "repr");
    put_lossy(message, repr);
    Py_XDECREF(type);
    Py_XDECREF(repr);
    return 0;
}
