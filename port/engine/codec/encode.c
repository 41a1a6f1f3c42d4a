/* Encodes objects to terms: exact built-in types first, then any other by the function that structs.py finds for its
 * type. */
#include "codec/encode.h"

#include <stdlib.h>
#include <string.h>

#include "codec/encode_leaf.h"
#include "codec/recursion.h"
#include "codec/structs.h"
#include "codec/typed.h"
#include "codec/types.h"
#include "codec/value_path.h"
#include "numpy/tensor.h"
#include "python/errors.h"

struct encoder {
    struct message *message;
    unsigned depth;
    /* How many references the current object has if only this encoder and its caller hold any, directly or through its
     * container; 0 if other code holds some. */
    Py_ssize_t references;
    PyObject *types; /* borrowed; whose objects are sent with their types, or NULL */
    struct value_path path;
    struct atom_list created;
};

static int encode_any(struct encoder *encoder, PyObject *object);

/* -- lists, tuples, maps ------------------------------------------------------------------------------------------ */

/* Holds the object while it is encoded: an encoder written in Python may take it out of its list. */
static int encode_held(struct encoder *encoder, PyObject *object)
{
    /* This path runs no code of others. */
    if (Py_TYPE(object) == &PyLong_Type)
        return encode_check_limit(encoder->message, encode_integer(encoder->message, object));
    Py_INCREF(object);
    int failed = encode_any(encoder, object);
    Py_DECREF(object);
    return failed;
}

static int encode_list(struct encoder *encoder, PyObject *object)
{
    Py_ssize_t length = PyList_Size(object);
    if ((size_t)length > UINT32_MAX)
        return encode_fail("a list too long to be sent");
    if (length > 0)
        message_put_list(encoder->message, (uint32_t)length);
    for (Py_ssize_t i = 0; i < length; i++) {
        PyObject *item = PyList_GetItem(object, i);
        if (item == NULL) {
            PyErr_Clear();
            return encode_fail("the list changed while it was encoded");
        }
        if (encode_held(encoder, item) < 0) {
            value_path_prepend_index(&encoder->path, i);
            return -1;
        }
    }
    if (PyList_Size(object) != length)
        return encode_fail("the list changed while it was encoded");
    message_put_nil_list(encoder->message);
    return 0;
}

static int encode_tuple(struct encoder *encoder, PyObject *object)
{
    Py_ssize_t length = PyTuple_Size(object);
    if ((size_t)length > UINT32_MAX)
        return encode_fail("a tuple too long to be sent");
    message_put_tuple(encoder->message, (uint32_t)length);
    for (Py_ssize_t i = 0; i < length; i++) {
        if (encode_any(encoder, PyTuple_GetItem(object, i)) < 0) {
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

/* Refuses keys that differ in Python but are one term, such as "a" and b"a": a map cannot have both. */
static int check_keys(const struct encoder *encoder, struct key_place *keys, size_t count)
{
    sorting = encoder->message->bytes;
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) == 0)
            return encode_fail("two keys that are the same Erlang term");
    return 0;
}

static int is_plain_key(PyObject *key)
{
    return PyUnicode_CheckExact(key);
}

/* Stores the place of the key in the buffer in `place`, which may be NULL. */
static int encode_key(struct encoder *encoder, PyObject *key, struct key_place *place)
{
    size_t start = encoder->message->length;
    bool outer = encoder->message->whole;
    encoder->message->whole = true; /* keys are compared in the buffer, and no client expects segments in them */
    int failed = encode_any(encoder, key);
    encoder->message->whole = outer;
    if (failed)
        value_path_prepend(&encoder->path, "[key]");
    else if (place != NULL)
        *place = (struct key_place){start, encoder->message->length - start};
    return failed;
}

/* Stores the place of each key in the buffer in `keys`, which may be NULL. */
static int encode_pairs(struct encoder *encoder, PyObject *dict, struct key_place *keys, Py_ssize_t size)
{
    Py_ssize_t position = 0, count = 0;
    PyObject *key, *value;
    while (PyDict_Next(dict, &position, &key, &value)) {
        if (count == size || PyDict_Size(dict) != size)
            return encode_fail("the dict changed while it was encoded");
        Py_INCREF(key);
        Py_INCREF(value);
        int failed = encode_key(encoder, key, keys == NULL ? NULL : &keys[count]);
        count++;
        if (!failed && (failed = encode_any(encoder, value)) < 0)
            value_path_prepend_key(&encoder->path, key);
        Py_DECREF(key);
        Py_DECREF(value);
        if (failed)
            return -1;
    }
    return count == size ? 0 : encode_fail("the dict changed while it was encoded");
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

static int encode_map(struct encoder *encoder, PyObject *dict)
{
    Py_ssize_t size = PyDict_Size(dict);
    if (size < 0 || (size_t)size > UINT32_MAX)
        return encode_fail("a dict too large to be sent");
    struct key_place *keys = NULL;
    if (size > 1 && !has_plain_keys(dict)) {
        keys = malloc((size_t)size * sizeof *keys);
        if (keys == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    message_put_map(encoder->message, (uint32_t)size);
    int failed = encode_pairs(encoder, dict, keys, size);
    if (!failed && keys != NULL && !encoder->message->failed)
        failed = check_keys(encoder, keys, (size_t)size);
    free(keys);
    return failed;
}

/* -- everything else ---------------------------------------------------------------------------------------------- */

static int encode_as_base(struct encoder *encoder, PyObject *object, const PyTypeObject *base)
{
    if (base == &PyLong_Type)
        return encode_integer(encoder->message, object);
    if (base == &PyFloat_Type)
        return encode_float(encoder->message, object);
    if (base == &PyUnicode_Type)
        return encode_text(encoder->message, object);
    if (base == &PyBytes_Type)
        return encode_bytes(encoder->message, object);
    if (base == &PyByteArray_Type || base == &PyMemoryView_Type)
        return encode_buffer(encoder->message, object);
    if (base == &PyList_Type)
        return encode_list(encoder, object);
    if (base == &PyTuple_Type)
        return encode_tuple(encoder, object);
    return encode_map(encoder, object);
}

static int encode_simplified(struct encoder *encoder, PyObject *object)
{
    PyTypeObject *base;
    PyObject *simple = structs_simplify(object, &base);
    if (simple == NULL)
        return -1;
    encoder->references = base != NULL ? 0 : 1;
    int failed = base != NULL ? encode_as_base(encoder, simple, base) : encode_any(encoder, simple);
    Py_DECREF(simple);
    return failed;
}

/* Encodes an object that is no plain list, dict or tuple. */
static int encode_form(struct encoder *encoder, PyObject *object, Py_ssize_t references)
{
    return tensor_is_array(object) ? tensor_put(encoder->message, object, references)
                                   : encode_simplified(encoder, object);
}

/* Encodes an object of a type that the request has a name for, which this function takes over. */
static int encode_named(struct encoder *encoder, PyObject *object, PyObject *name, Py_ssize_t references)
{
    int headed = typed_put_head(encoder->message, name, object);
    Py_DECREF(name);
    PyObject *fields = headed < 0 ? NULL : typed_fields(object);
    if (fields == NULL)
        return -1;
    int failed;
    if (Py_IsNone(fields)) {
        failed = encode_form(encoder, object, references);
    } else {
        encoder->references = 0;
        failed = encode_map(encoder, fields);
    }
    Py_DECREF(fields);
    return failed;
}

static int encode_other(struct encoder *encoder, PyObject *object, Py_ssize_t references)
{
    if (encoder->types == NULL)
        return encode_form(encoder, object, references);
    PyObject *name = typed_find(encoder->types, object);
    if (name != NULL)
        return encode_named(encoder, object, name, references);
    return PyErr_Occurred() ? -1 : encode_form(encoder, object, references);
}

static int encode_nested(struct encoder *encoder, PyObject *object, const PyTypeObject *type)
{
    if (recursion_is_too_deep(encoder->depth))
        return encode_fail("nested too deeply, or without end");
    encoder->depth++;
    Py_ssize_t references = encoder->references;
    bool sole = references > 0 && Py_REFCNT(object) == references;
    int failed;
    /* An item's references: one of its container, and one held by encode_held. */
    encoder->references = !sole ? 0 : type == &PyTuple_Type ? 1 : 2;
    if (type == &PyList_Type)
        failed = encode_list(encoder, object);
    else if (type == &PyDict_Type)
        failed = encode_map(encoder, object);
    else if (type == &PyTuple_Type)
        failed = encode_tuple(encoder, object);
    else
        failed = encode_other(encoder, object, references);
    encoder->references = references;
    encoder->depth--;
    return failed;
}

static int encode_singleton(struct message *message, const char *name)
{
    message_put_atom_text(message, name);
    return 0;
}

/* Like encode_any, but what is over the limit is no error yet. */
static int encode_unlimited(struct encoder *encoder, PyObject *object)
{
    const PyTypeObject *type = Py_TYPE(object);
    if (type == &PyUnicode_Type)
        return encode_text(encoder->message, object);
    if (type == &PyLong_Type)
        return encode_integer(encoder->message, object);
    if (type == &PyFloat_Type)
        return encode_float(encoder->message, object);
    if (type == &PyDict_Type || type == &PyList_Type || type == &PyTuple_Type)
        return encode_nested(encoder, object, type);
    if (object == Py_None)
        return encode_singleton(encoder->message, "nil");
    if (type == &PyBool_Type)
        return encode_singleton(encoder->message, object == Py_True ? "true" : "false");
    if (type == &PyBytes_Type)
        return encode_bytes(encoder->message, object);
    if (types_is_atom(object))
        return encode_atom(encoder->message, object, &encoder->created);
    PyObject *term = types_opaque_term(object);
    if (term != NULL) {
        message_put_raw(encoder->message, PyBytes_AsString(term), (size_t)PyBytes_Size(term));
        return 0;
    }
    return encode_nested(encoder, object, type);
}

static int encode_any(struct encoder *encoder, PyObject *object)
{
    return encode_check_limit(encoder->message, encode_unlimited(encoder, object));
}

static int encode_whole(struct message *message, PyObject *object, const char *name, PyObject *types)
{
    struct encoder encoder = {.message = message, .references = 1, .types = types};
    atom_budget_begin();
    int failed = encode_any(&encoder, object);
    atom_budget_end(&encoder.created, failed);
    if (!failed)
        return 0;
    value_path_prepend(&encoder.path, name);
    value_path_raise(&encoder.path, errors_EncodeError);
    return -1;
}

static int encode_limited(struct message *message, PyObject *object, const char *name, PyObject *types, size_t limit)
{
    if (limit == 0 || object == Py_None)
        return encode_whole(message, object, name, types);
    message_set_limit(message, limit);
    int failed = encode_whole(message, object, name, types);
    message_lift_limit(message);
    return failed;
}

int encode_object(struct message *message, PyObject *object, const char *name)
{
    return encode_whole(message, object, name, NULL);
}

int encode_object_within(struct message *message, PyObject *object, const char *name, size_t limit)
{
    return encode_limited(message, object, name, NULL, limit);
}

int encode_result(struct message *message, PyObject *object, PyObject *types, size_t limit)
{
    return encode_limited(message, object, "result", types, limit);
}

int encode_name(struct message *message, PyObject *text)
{
    struct atom_list created = {0};
    atom_budget_begin();
    int failed = encode_atom(message, text, &created);
    atom_budget_end(&created, failed);
    return failed;
}
