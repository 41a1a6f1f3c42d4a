/* Sets errors, each with the byte of the frame that it is about. */
#include "codec/decode_fail.h"

#include "python/errors.h"

PyObject *decode_fail_at(const struct decoder *decoder, const unsigned char *at, const char *what)
{
    PyErr_SetString(errors_DecodeError, what);
    errors_note_byte((size_t)(at - decoder->span.bytes));
    return NULL;
}

PyObject *decode_fail_from_value_error(const struct decoder *decoder, const unsigned char *at)
{
    if (!PyErr_ExceptionMatches(PyExc_ValueError) || PyErr_ExceptionMatches(errors_DecodeError))
        return NULL;
    PyObject *exception = errors_take();
    PyErr_Format(errors_DecodeError, "%S", exception);
    errors_note_byte((size_t)(at - decoder->span.bytes));
    Py_XDECREF(exception);
    return NULL;
}

PyObject *decode_fail_status(const struct decoder *decoder, enum term_status status)
{
    return decode_fail_at(decoder, span_here(&decoder->span), term_status_text(status));
}
