/* Decodes maps, and the structs that have a form of their own. */
#include "codec/decode_map.h"

#include <stdio.h>

#include "codec/decode_fail.h"
#include "codec/decode_leaf.h"
#include "codec/refs.h"
#include "codec/structs.h"
#include "codec/types.h"
#include "numpy/tensor.h"
#include "numpy/tensor_decode.h"
#include "python/errors.h"

/* How many terms are searched for the __struct__ key of a map that may be a struct. */
#define STRUCT_SEARCH 64
/* A larger map is no struct that has a form of its own. */
#define STRUCT_PAIRS_MAX 16

static PyObject *struct_key; /* the atom __struct__ */

int decode_map_start(void)
{
    struct_key = types_atom("__struct__", 10);
    return struct_key == NULL ? -1 : 0;
}

static PyObject *decode_any_key(struct decoder *decoder)
{
    PyObject *key;
    if (decode_frequent(decoder, true, &key))
        return key;
    bool outer = decoder->hashable;
    decoder->hashable = true;
    key = decode_next(decoder);
    decoder->hashable = outer;
    return key;
}

static PyObject *decode_map_key(struct decoder *decoder, bool is_name)
{
    bool outer = decoder->bytes;
    decoder->bytes = outer && !is_name;
    PyObject *key = decode_any_key(decoder);
    decoder->bytes = outer;
    return key;
}

/* Decodes one pair into the dict. `pairs_before` is how many pairs the dict has, or negative if that must not be
 * checked. */
static int decode_pair(struct decoder *decoder, PyObject *dict, Py_ssize_t pairs_before, bool is_name)
{
    const unsigned char *at = span_here(&decoder->span);
    PyObject *key = decode_map_key(decoder, is_name);
    if (key == NULL) {
        value_path_prepend(&decoder->path, "[key]");
        return -1;
    }
    PyObject *value = decode_next(decoder);
    int failed = -1;
    if (value == NULL) {
        value_path_prepend_key(&decoder->path, key);
    } else if ((failed = PyDict_SetItem(dict, key, value)) < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            decode_fail_at(decoder, at, "a map key that Python cannot hash (a list or a map)");
        }
        value_path_prepend_key(&decoder->path, key);
    } else if (pairs_before >= 0 && PyDict_Size(dict) == pairs_before) {
        decode_fail_at(decoder, at, "a map key that is equal to an earlier one in Python");
        value_path_prepend_key(&decoder->path, key);
        failed = -1;
    }
    Py_DECREF(key);
    Py_XDECREF(value);
    return failed;
}

static PyObject *decode_pairs_once(struct decoder *decoder, size_t count, bool names, bool check_each)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < count; i++)
        if (decode_pair(decoder, dict, check_each ? (Py_ssize_t)i : -1, names) < 0)
            Py_CLEAR(dict);
    return dict;
}

/* Checks each key only if two keys are equal in Python, to report which. */
static PyObject *decode_pairs(struct decoder *decoder, size_t count)
{
    struct span start = decoder->span;
    bool names = decoder->names;
    decoder->names = false;
    PyObject *dict = decode_pairs_once(decoder, count, names, false);
    if (dict == NULL || (size_t)PyDict_Size(dict) == count)
        return dict;
    Py_DECREF(dict);
    if (decoder->moved)
        return decode_fail_at(decoder, span_here(&start), "a map with two keys that are equal in Python");
    decoder->span = start;
    return decode_pairs_once(decoder, count, names, true);
}

/* Moves past one term, counting its heads against the budget. Returns false if that is used up. */
static bool skip_within(struct span *span, unsigned *budget)
{
    struct term_head head;
    for (size_t open = 1; open > 0; open--) {
        if (*budget == 0 || term_read_head(span, &head) != TERM_OK)
            return false;
        --*budget;
        open += head.children;
    }
    return true;
}

/* Finds the struct's name, as the head of its atom, if the map that follows is a struct. A struct has atoms for keys
 * and few of them; its name may be anywhere among them. */
static bool find_struct_name(struct span span, size_t count, struct term_head *name)
{
    unsigned budget = STRUCT_SEARCH;
    if (count == 0 || count > STRUCT_PAIRS_MAX || *span_here(&span) == TERM_TAG_BINARY)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct term_head key;
        if (term_read_head(&span, &key) != TERM_OK || key.kind != TERM_ATOM)
            return false;
        if (term_is_atom(&key, "__struct__"))
            return term_read_head(&span, name) == TERM_OK && name->kind == TERM_ATOM;
        if (!skip_within(&span, &budget))
            return false;
    }
    return false;
}

static PyObject *build_object(const struct decoder *decoder, const struct term_head *name, PyObject *dict)
{
    if (!term_is_atom(name, STRUCTS_OBJECT))
        return structs_build(dict, struct_key, decoder->hashable);
    PyObject *number = PyDict_GetItemString(dict, "ref");
    if (decoder->keep_references)
        return Py_NewRef(dict);
    if (number != NULL && PyLong_CheckExact(number))
        return refs_get(number);
    PyErr_SetString(errors_DecodeError, "ref is the number of an object");
    return NULL;
}

/* Turns the exception of the conversion into an error that names the struct. */
DECODE_NO_STACK static void fail_struct(const struct decoder *decoder, const unsigned char *at,
                                        const struct term_head *name)
{
    static const char prefix[] = "Elixir."; /* which Elixir itself does not show */
    size_t skipped = sizeof prefix - 1;
    if (name->length <= skipped || memcmp(name->data, prefix, skipped) != 0)
        skipped = 0;
    char shown[64]; /* PyErr_Format has no %.*s before Python 3.12 */
    snprintf(shown, sizeof shown, "%.*s", (int)(name->length - skipped), (const char *)name->data + skipped);
    PyObject *exception = errors_take();
    PyErr_Format(errors_DecodeError, "%%%s{} that Python cannot hold: %S", shown, exception);
    errors_note_byte((size_t)(at - decoder->span.bytes));
    Py_XDECREF(exception);
}

static bool is_tensor(const struct term_head *name)
{
    return term_is_atom(name, TENSOR_STRUCT) || term_is_atom(name, TENSOR_STRUCT_NX);
}

DECODE_NO_STACK static PyObject *decode_tensor(struct decoder *decoder, size_t count)
{
    const unsigned char *at = span_here(&decoder->span);
    struct tensor_source source = {decoder->span, decoder->request, decoder->moved};
    PyObject *array = tensor_decode(&source, count);
    decoder->span = source.span;
    decoder->moved = source.moved;
    return array != NULL ? array : decode_fail_from_value_error(decoder, at);
}

static PyObject *decode_struct(struct decoder *decoder, size_t count, const struct term_head *name)
{
    const unsigned char *at = span_here(&decoder->span);
    bool outer_bytes = decoder->bytes, outer_hashable = decoder->hashable;
    if (term_is_atom(name, STRUCTS_BYTES) || term_is_atom(name, STRUCTS_REGEX))
        decoder->bytes = true;
    PyObject *dict = decode_pairs(decoder, count);
    decoder->bytes = outer_bytes;
    decoder->hashable = outer_hashable;
    if (dict == NULL)
        return NULL;
    PyObject *object = build_object(decoder, name, dict);
    Py_DECREF(dict);
    if (object == NULL && !PyErr_ExceptionMatches(errors_DecodeError) && PyErr_ExceptionMatches(PyExc_Exception))
        fail_struct(decoder, at, name);
    return object;
}

PyObject *decode_map(struct decoder *decoder, const struct term_head *head)
{
    struct term_head name;
    size_t count = head->children / 2;
    if (!find_struct_name(decoder->span, count, &name))
        return decode_pairs(decoder, count);
    return is_tensor(&name) ? decode_tensor(decoder, count) : decode_struct(decoder, count, &name);
}
