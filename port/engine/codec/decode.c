/* Terms to objects, in one pass over the frame. Every head is checked by term_read_head before its bytes are used. */
#include "codec/decode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ei.h>

#include "codec/intern.h"
#include "codec/recursion.h"
#include "codec/refs.h"
#include "codec/structs.h"
#include "codec/types.h"
#include "numpy/tensor_decode.h"
#include "python/buffer.h"
#include "python/errors.h"
#include "shm/segment_ref.h"
#include "wire/term.h"

/* Of a map that may be a struct, as many terms are looked at in search of its __struct__ key. */
#define STRUCT_SEARCH 64
/* Larger maps are no struct that has a form of its own. */
#define STRUCT_PAIRS_MAX 16
/* What such a function has on the stack is not there again at each level of a nested term. */
#define NO_STACK __attribute__((noinline))
/* Tag and length. */
#define BINARY_HEAD ((size_t)5)

static struct intern atoms, texts;
static PyObject *struct_key; /* the atom __struct__ */

static PyObject *decode_any(struct decoder *decoder);

int decode_start(void)
{
    struct_key = types_atom("__struct__", 10);
    return struct_key == NULL ? -1 : 0;
}

/* -- failures ------------------------------------------------------------------------------------------------------ */

static PyObject *fail_at(const struct decoder *decoder, const unsigned char *at, const char *what)
{
    PyErr_Format(types_DecodeError, "%s (byte %zu of the frame)", what, (size_t)(at - decoder->span.bytes));
    return NULL;
}

/* Gives the place to a ValueError that knows none. */
static PyObject *fail_from_value_error(const struct decoder *decoder, const unsigned char *at)
{
    if (!PyErr_ExceptionMatches(PyExc_ValueError) || PyErr_ExceptionMatches(types_DecodeError))
        return NULL;
    PyObject *exception = errors_take();
    PyErr_Format(types_DecodeError, "%S (byte %zu of the frame)", exception, (size_t)(at - decoder->span.bytes));
    Py_XDECREF(exception);
    return NULL;
}

static PyObject *fail_status(const struct decoder *decoder, enum term_status status)
{
    return fail_at(decoder, span_here(&decoder->span), term_status_text(status));
}

/* -- the frame ----------------------------------------------------------------------------------------------------- */

PyObject *decode_keep_frame(const struct decoder *decoder)
{
    struct request *request = decoder->request;
    if (request->keeper == NULL) {
        request->keeper = buffer_new(request->frame.bytes, request->frame.length, free, request->frame.allocation);
        if (request->keeper != NULL)
            request->frame.allocation = NULL; /* the Memory's from here */
    }
    return request->keeper;
}

/* -- leaves -------------------------------------------------------------------------------------------------------- */

static PyObject *big_integer(const struct term_head *head)
{
    PyObject *magnitude = PyObject_CallMethod((PyObject *)&PyLong_Type, "from_bytes", "y#s", (const char *)head->data,
                                              (Py_ssize_t)head->length, "little");
    if (magnitude == NULL || head->detail == 0)
        return magnitude;
    PyObject *negative = PyNumber_Negative(magnitude);
    Py_DECREF(magnitude);
    return negative;
}

static PyObject *integer(const struct term_head *head)
{
    long long value;
    return term_integer(head, &value) ? PyLong_FromLongLong(value) : big_integer(head);
}

NO_STACK static PyObject *floating(const struct decoder *decoder, const struct term_head *head)
{
    /* The old form is text that ei reads up to a NUL byte, which the frame need not hold. */
    char copy[1 + 31 + 1] = {0};
    double value;
    int index = 0;
    memcpy(copy, head->start, 1 + head->length);
    if (ei_decode_double(copy, &index, &value) != 0 || !isfinite(value))
        return fail_at(decoder, head->start, "not a finite float");
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
    return types_atom((const char *)bytes, (Py_ssize_t)length);
}

static PyObject *latin1_atom(const struct term_head *head)
{
    PyObject *text = PyUnicode_DecodeLatin1((const char *)head->data, (Py_ssize_t)head->length, NULL);
    Py_ssize_t length;
    const char *utf8 = text == NULL ? NULL : PyUnicode_AsUTF8AndSize(text, &length);
    PyObject *atom = utf8 == NULL ? NULL : make_atom((const unsigned char *)utf8, (size_t)length);
    Py_XDECREF(text);
    return atom;
}

static PyObject *atom(const struct decoder *decoder, const struct term_head *head)
{
    PyObject *object =
        term_atom_is_latin1(head) ? latin1_atom(head) : intern_get(&atoms, head->data, head->length, make_atom);
    if (object == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        return fail_at(decoder, head->start, "an atom that is not UTF-8");
    }
    return object;
}

static PyObject *make_text(const unsigned char *bytes, size_t length)
{
    return PyUnicode_DecodeUTF8((const char *)bytes, (Py_ssize_t)length, NULL);
}

/* The bytes may lie outside of the frame; `start` is where the term stands in it. */
static PyObject *binary(const struct decoder *decoder, const unsigned char *start, const unsigned char *data,
                        size_t length, bool is_key)
{
    if (decoder->bytes)
        return PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)length);
    PyObject *text = is_key ? intern_get(&texts, data, length, make_text) : make_text(data, length);
    if (text == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        return fail_at(decoder, start,
                       "a binary that is not UTF-8: send it as %PythonxPort.Bytes{}, or with binaries => bytes");
    }
    return text;
}

/* The length of a frequent leaf; 0 for any other term, and for what is cut. */
static size_t frequent_size(const unsigned char *at, size_t left)
{
    if (left < BINARY_HEAD)
        return left >= 2 && at[0] == TERM_TAG_SMALL_INTEGER ? 2 : 0;
    switch (at[0]) {
    case TERM_TAG_SMALL_INTEGER:
        return 2;
    case TERM_TAG_INTEGER:
        return 5;
    case TERM_TAG_NEW_FLOAT:
        return left >= 9 && isfinite(span_double_at(at + 1)) ? 9 : 0;
    case TERM_TAG_BINARY:
        return span_u32_at(at + 1) <= left - BINARY_HEAD ? BINARY_HEAD + span_u32_at(at + 1) : 0;
    default:
        return 0;
    }
}

/* The short way for what large terms mostly consist of. False, and no move, for any other term and for what is wrong
 * with one of these: the long way says what. */
static inline bool frequent_leaf(struct decoder *decoder, bool is_key, PyObject **object)
{
    const unsigned char *at = span_here(&decoder->span);
    size_t size = frequent_size(at, span_left(&decoder->span));
    if (size == 0)
        return false;
    decoder->span.position += size;
    if (at[0] == TERM_TAG_SMALL_INTEGER)
        *object = PyLong_FromLong(at[1]);
    else if (at[0] == TERM_TAG_INTEGER)
        *object = PyLong_FromLong((int32_t)span_u32_at(at + 1));
    else if (at[0] == TERM_TAG_NEW_FLOAT)
        *object = PyFloat_FromDouble(span_double_at(at + 1));
    else
        *object = binary(decoder, at, at + BINARY_HEAD, size - BINARY_HEAD, is_key);
    return true;
}

static PyObject *string(const struct term_head *head)
{
    PyObject *list = PyList_New((Py_ssize_t)head->length);
    for (size_t i = 0; list != NULL && i < head->length; i++)
        PyList_SetItem(list, (Py_ssize_t)i, PyLong_FromLong(head->data[i]));
    return list;
}

/* It goes back verbatim, so it must be a term that a BEAM reads. */
static PyObject *opaque(struct decoder *decoder, const struct term_head *head)
{
    decoder->span.position = (size_t)(head->start - decoder->span.bytes);
    enum term_status status = term_check(&decoder->span);
    if (status != TERM_OK)
        return fail_status(decoder, status);
    return types_opaque(head->kind, head->start, (size_t)(span_here(&decoder->span) - head->start));
}

static PyObject *decode(struct decoder *decoder)
{
    PyObject *leaf;
    return frequent_leaf(decoder, false, &leaf) ? leaf : decode_any(decoder);
}

/* -- lists and tuples ---------------------------------------------------------------------------------------------- */

static PyObject *list(struct decoder *decoder, const struct term_head *head)
{
    Py_ssize_t length = (Py_ssize_t)head->children - 1;
    PyObject *items = PyList_New(length);
    for (Py_ssize_t i = 0; items != NULL && i < length; i++) {
        PyObject *item = decode(decoder);
        if (item == NULL) {
            value_path_prepend_index(&decoder->path, i);
            Py_CLEAR(items);
        } else {
            PyList_SetItem(items, i, item);
        }
    }
    if (items == NULL)
        return NULL;
    if (span_left(&decoder->span) > 0 && *span_here(&decoder->span) == TERM_TAG_NIL) {
        decoder->span.position++;
        return items;
    }
    struct term_head tail;
    enum term_status status = term_read_head(&decoder->span, &tail);
    Py_DECREF(items);
    return status != TERM_OK ? fail_status(decoder, status)
                             : fail_at(decoder, tail.start, "an improper list has no form in Python");
}

/* {'$ref', N}: the object that the session keeps under N. */
static PyObject *resolve_reference(PyObject *tuple)
{
    PyObject *first = PyTuple_GetItem(tuple, 0), *number = PyTuple_GetItem(tuple, 1);
    if (!PyLong_CheckExact(number))
        return tuple;
    if (!types_is_atom(first) || PyUnicode_CompareWithASCIIString(first, "$ref") != 0)
        return tuple;
    PyObject *object = refs_get(number);
    Py_DECREF(tuple);
    return object;
}

/* {'$segment', Number, Offset, Length}: decodes to what a binary of its bytes would; false for any other tuple. */
NO_STACK static bool segment(struct decoder *decoder, const struct term_head *tuple, PyObject **object)
{
    unsigned char *bytes;
    size_t length;
    PyObject *memory;
    if (!segment_ref_read(&decoder->span, tuple->children, &bytes, &length, &memory))
        return false;
    *object = NULL;
    if (memory == NULL) {
        fail_from_value_error(decoder, tuple->start);
        return true;
    }
    *object = binary(decoder, tuple->start, bytes, length, false);
    Py_DECREF(memory);
    return true;
}

static PyObject *tuple(struct decoder *decoder, const struct term_head *head)
{
    PyObject *object;
    if (segment(decoder, head, &object))
        return object;
    Py_ssize_t length = (Py_ssize_t)head->children;
    PyObject *items = PyTuple_New(length);
    for (Py_ssize_t i = 0; items != NULL && i < length; i++) {
        PyObject *item = decode(decoder);
        if (item == NULL) {
            value_path_prepend_index(&decoder->path, i);
            Py_CLEAR(items);
        } else {
            PyTuple_SetItem(items, i, item);
        }
    }
    return items != NULL && length == 2 && !decoder->keep_references ? resolve_reference(items) : items;
}

/* -- maps and structs ---------------------------------------------------------------------------------------------- */

static PyObject *any_key(struct decoder *decoder)
{
    PyObject *key;
    if (frequent_leaf(decoder, true, &key))
        return key;
    bool outer = decoder->hashable;
    decoder->hashable = true;
    key = decode(decoder);
    decoder->hashable = outer;
    return key;
}

static PyObject *map_key(struct decoder *decoder, bool is_name)
{
    bool outer = decoder->bytes;
    decoder->bytes = outer && !is_name;
    PyObject *key = any_key(decoder);
    decoder->bytes = outer;
    return key;
}

/* `pairs_before` is how many pairs the dict has, or negative where that is not to be checked. */
static int set_pair(struct decoder *decoder, PyObject *dict, Py_ssize_t pairs_before, bool is_name)
{
    const unsigned char *at = span_here(&decoder->span);
    PyObject *key = map_key(decoder, is_name);
    if (key == NULL) {
        value_path_prepend(&decoder->path, "[key]");
        return -1;
    }
    PyObject *value = decode(decoder);
    int failed = -1;
    if (value == NULL) {
        value_path_prepend_key(&decoder->path, key);
    } else if ((failed = PyDict_SetItem(dict, key, value)) < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            fail_at(decoder, at, "a map key that Python cannot hash (a list or a map)");
        }
        value_path_prepend_key(&decoder->path, key);
    } else if (pairs_before >= 0 && PyDict_Size(dict) == pairs_before) {
        fail_at(decoder, at, "a map key that is equal to an earlier one in Python");
        value_path_prepend_key(&decoder->path, key);
        failed = -1;
    }
    Py_DECREF(key);
    Py_XDECREF(value);
    return failed;
}

static PyObject *fill_dict(struct decoder *decoder, size_t count, bool names, bool check_each)
{
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict != NULL && i < count; i++)
        if (set_pair(decoder, dict, check_each ? (Py_ssize_t)i : -1, names) < 0)
            Py_CLEAR(dict);
    return dict;
}

/* Only where two keys are equal in Python is each looked at, to tell which. */
static PyObject *pairs(struct decoder *decoder, size_t count)
{
    struct span start = decoder->span;
    bool names = decoder->names;
    decoder->names = false;
    PyObject *dict = fill_dict(decoder, count, names, false);
    if (dict == NULL || (size_t)PyDict_Size(dict) == count)
        return dict;
    Py_DECREF(dict);
    if (decoder->moved)
        return fail_at(decoder, span_here(&start), "a map with two keys that are equal in Python");
    decoder->span = start;
    return fill_dict(decoder, count, names, true);
}

/* Passes over one term, counting its heads against the budget; false where it runs out. */
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

/* The struct's name, as the head of its atom, where the map that follows is a struct. A struct has atoms for keys and
 * few of them; its name stands anywhere among them. */
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

static PyObject *build(const struct decoder *decoder, const struct term_head *name, PyObject *dict)
{
    if (!term_is_atom(name, STRUCTS_OBJECT))
        return structs_build(dict, struct_key, decoder->hashable);
    PyObject *number = PyDict_GetItemString(dict, "ref");
    if (decoder->keep_references)
        return Py_NewRef(dict);
    if (number != NULL && PyLong_CheckExact(number))
        return refs_get(number);
    PyErr_SetString(types_DecodeError, "ref is the number of an object");
    return NULL;
}

/* Puts what the conversion raised into an error that names the struct. */
NO_STACK static void fail_struct(const struct decoder *decoder, const unsigned char *at, const struct term_head *name)
{
    char shown[64]; /* PyErr_Format has no %.*s before Python 3.12 */
    snprintf(shown, sizeof shown, "%.*s", (int)name->length, (const char *)name->data);
    PyObject *exception = errors_take();
    PyErr_Format(types_DecodeError, "%s that Python cannot hold: %S (byte %zu of the frame)", shown, exception,
                 (size_t)(at - decoder->span.bytes));
    Py_XDECREF(exception);
}

static bool is_tensor(const struct term_head *name)
{
    return term_is_atom(name, TENSOR_STRUCT) || term_is_atom(name, TENSOR_STRUCT_NX);
}

static PyObject *tensor(struct decoder *decoder, size_t count)
{
    const unsigned char *at = span_here(&decoder->span);
    PyObject *array = tensor_decode(decoder, count);
    return array != NULL ? array : fail_from_value_error(decoder, at);
}

static PyObject *structure(struct decoder *decoder, size_t count, const struct term_head *name)
{
    const unsigned char *at = span_here(&decoder->span);
    bool outer_bytes = decoder->bytes, outer_hashable = decoder->hashable;
    if (term_is_atom(name, STRUCTS_BYTES))
        decoder->bytes = true;
    PyObject *dict = pairs(decoder, count);
    decoder->bytes = outer_bytes;
    decoder->hashable = outer_hashable;
    if (dict == NULL)
        return NULL;
    PyObject *object = build(decoder, name, dict);
    Py_DECREF(dict);
    if (object == NULL && !PyErr_ExceptionMatches(types_DecodeError) && PyErr_ExceptionMatches(PyExc_Exception))
        fail_struct(decoder, at, name);
    return object;
}

static PyObject *map(struct decoder *decoder, const struct term_head *head)
{
    struct term_head name;
    size_t count = head->children / 2;
    if (!find_struct_name(decoder->span, count, &name))
        return pairs(decoder, count);
    return is_tensor(&name) ? tensor(decoder, count) : structure(decoder, count, &name);
}

/* -- any term ------------------------------------------------------------------------------------------------------ */

static PyObject *nested(struct decoder *decoder, const struct term_head *head)
{
    if (recursion_is_too_deep(decoder->depth))
        return fail_at(decoder, head->start, "nested too deeply");
    decoder->depth++;
    PyObject *object = NULL;
    if (head->kind == TERM_LIST)
        object = list(decoder, head);
    else if (head->kind == TERM_TUPLE)
        object = tuple(decoder, head);
    else
        object = map(decoder, head);
    decoder->depth--;
    return object;
}

static PyObject *decode_any(struct decoder *decoder)
{
    struct term_head head;
    enum term_status status = term_read_head(&decoder->span, &head);
    if (status != TERM_OK)
        return fail_status(decoder, status);
    switch (head.kind) {
    case TERM_INTEGER:
        return integer(&head);
    case TERM_FLOAT:
        return floating(decoder, &head);
    case TERM_ATOM:
        return atom(decoder, &head);
    case TERM_BINARY:
        return binary(decoder, head.start, head.data, head.length, false);
    case TERM_NIL:
        return PyList_New(0);
    case TERM_STRING:
        return string(&head);
    case TERM_TUPLE:
    case TERM_LIST:
    case TERM_MAP:
        return nested(decoder, &head);
    case TERM_BITSTRING:
    case TERM_PID:
    case TERM_PORT:
    case TERM_REFERENCE:
    case TERM_FUN:
        return opaque(decoder, &head);
    }
    return fail_status(decoder, TERM_UNKNOWN);
}

PyObject *decode_term(struct decoder *decoder, const char *name)
{
    /* Nothing of what is made here is garbage yet, and collections would walk through all of it again and again. */
    int collects = PyGC_Disable();
    PyObject *object = decode(decoder);
    if (collects)
        PyGC_Enable();
    if (object == NULL) {
        value_path_prepend(&decoder->path, name);
        value_path_raise(&decoder->path, types_DecodeError);
    }
    return object;
}
