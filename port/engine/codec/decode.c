/* Decodes terms to objects, in one pass over the frame. Every head is checked by term_read_head before its bytes are
 * used. */
#include "codec/decode.h"

#include "codec/decode_fail.h"
#include "codec/decode_leaf.h"
#include "codec/decode_map.h"
#include "codec/recursion.h"
#include "codec/refs.h"
#include "codec/types.h"
#include "python/errors.h"
#include "shm/segment_ref.h"
#include "wire/term.h"

int decode_start(void)
{
    return decode_map_start();
}

/* -- lists and tuples --------------------------------------------------------------------------------------------- */

static PyObject *decode_list(struct decoder *decoder, const struct term_head *head)
{
    Py_ssize_t length = (Py_ssize_t)head->children - 1;
    PyObject *items = PyList_New(length);
    for (Py_ssize_t i = 0; items != NULL && i < length; i++) {
        PyObject *item = decode_next(decoder);
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
    return status != TERM_OK ? decode_fail_status(decoder, status)
                             : decode_fail_at(decoder, tail.start, "an improper list has no form in Python");
}

/* Decodes {'$ref', N} to the object that the session keeps under N. */
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

/* Decodes {'$segment', Number, Offset, Length} as a binary of its bytes. Returns false for any other tuple. */
DECODE_NO_STACK static bool decode_segment(struct decoder *decoder, const struct term_head *tuple, PyObject **object)
{
    unsigned char *bytes;
    size_t length;
    PyObject *buffer;
    if (!segment_ref_read(&decoder->span, tuple->children, &bytes, &length, &buffer))
        return false;
    *object = NULL;
    if (buffer == NULL) {
        decode_fail_from_value_error(decoder, tuple->start);
        return true;
    }
    *object = decode_binary(decoder, tuple->start, bytes, length, false);
    Py_DECREF(buffer);
    return true;
}

static PyObject *decode_tuple(struct decoder *decoder, const struct term_head *head)
{
    PyObject *object;
    if (decode_segment(decoder, head, &object))
        return object;
    Py_ssize_t length = (Py_ssize_t)head->children;
    PyObject *items = PyTuple_New(length);
    for (Py_ssize_t i = 0; items != NULL && i < length; i++) {
        PyObject *item = decode_next(decoder);
        if (item == NULL) {
            value_path_prepend_index(&decoder->path, i);
            Py_CLEAR(items);
        } else {
            PyTuple_SetItem(items, i, item);
        }
    }
    return items != NULL && length == 2 && !decoder->keep_references ? resolve_reference(items) : items;
}

/* -- any term ----------------------------------------------------------------------------------------------------- */

static PyObject *decode_nested(struct decoder *decoder, const struct term_head *head)
{
    if (recursion_is_too_deep(decoder->depth))
        return decode_fail_at(decoder, head->start, "nested too deeply");
    decoder->depth++;
    PyObject *object = NULL;
    if (head->kind == TERM_LIST)
        object = decode_list(decoder, head);
    else if (head->kind == TERM_TUPLE)
        object = decode_tuple(decoder, head);
    else
        object = decode_map(decoder, head);
    decoder->depth--;
    return object;
}

PyObject *decode_any(struct decoder *decoder)
{
    struct term_head head;
    enum term_status status = term_read_head(&decoder->span, &head);
    if (status != TERM_OK)
        return decode_fail_status(decoder, status);
    switch (head.kind) {
    case TERM_INTEGER:
        return decode_integer(&head);
    case TERM_FLOAT:
        return decode_float(decoder, &head);
    case TERM_ATOM:
        return decode_atom(decoder, &head);
    case TERM_BINARY:
        return decode_binary(decoder, head.start, head.data, head.length, false);
    case TERM_NIL:
        return PyList_New(0);
    case TERM_STRING:
        return decode_string(&head);
    case TERM_TUPLE:
    case TERM_LIST:
    case TERM_MAP:
        return decode_nested(decoder, &head);
    case TERM_BITSTRING:
    case TERM_PID:
    case TERM_PORT:
    case TERM_REFERENCE:
    case TERM_FUN:
        return decode_opaque(decoder, &head);
    }
    return decode_fail_status(decoder, TERM_UNKNOWN);
}

PyObject *decode_term(struct decoder *decoder, const char *name)
{
    /* The objects made here are not garbage yet, and each collection would walk through all of them again. */
    int collects = PyGC_Disable();
    PyObject *object = decode_next(decoder);
    if (collects)
        PyGC_Enable();
    if (object == NULL) {
        value_path_prepend(&decoder->path, name);
        value_path_raise(&decoder->path, errors_DecodeError);
    }
    return object;
}
