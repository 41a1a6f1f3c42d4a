/* Builds arrays, and encodes those that are C-contiguous and native-endian, as most are; tensor.py converts the
 * others. */
#include "numpy/tensor.h"

#include <stdlib.h>
#include <string.h>

#include "numpy/numpy_allocator.h"
#include "numpy/numpy_api.h"
#include "python/embedded.h"
#include "python/errors.h"
#include "python/interrupt.h"
#include "shm/large_binary.h"

static PyObject *module;     /* tensor.py */
static PyObject *array_type; /* numpy.ndarray, once code has imported NumPy */

static PyObject *load(void)
{
    if (module == NULL)
        module = embedded_load("tensor");
    return module;
}

/* -- from Elixir -------------------------------------------------------------------------------------------------- */

/* The types that were used so far, with their dtypes. */
static struct {
    char kind[16];
    long bits;
    PyObject *dtype;
} dtypes[32];
#define DTYPE_COUNT (sizeof dtypes / sizeof *dtypes)

/* Returns a borrowed reference to the dtype. */
static PyObject *dtype_of(const char *kind, long bits)
{
    size_t at = 0;
    for (; at < DTYPE_COUNT && dtypes[at].dtype != NULL; at++)
        if (dtypes[at].bits == bits && strcmp(dtypes[at].kind, kind) == 0)
            return dtypes[at].dtype;
    PyObject *dtype = load() == NULL ? NULL : PyObject_CallMethod(module, "dtype_of", "sl", kind, bits);
    /* NumPy has fewer types than there are places. */
    if (dtype != NULL && at < DTYPE_COUNT) {
        memcpy(dtypes[at].kind, kind, strlen(kind) + 1);
        dtypes[at].bits = bits;
        dtypes[at].dtype = dtype;
    }
    return dtype;
}

static int fail(const char *what)
{
    PyErr_SetString(PyExc_ValueError, what);
    return -1;
}

/* Computes how many bytes a shape of this type takes. Returns -1 with a ValueError if no memory could hold them. */
static int count_expected_bytes(const struct tensor_fields *fields, size_t *length)
{
    *length = (size_t)fields->bits / 8;
    bool empty = false;
    for (int i = 0; i < fields->rank; i++) {
        if (fields->shape[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(*length, (size_t)fields->shape[i], length) || *length > PY_SSIZE_T_MAX)
            return fail("shape is too large for any memory");
    }
    if (empty)
        *length = 0;
    return 0;
}

static PyObject *build_shape(const struct tensor_fields *fields)
{
    PyObject *shape = PyTuple_New(fields->rank);
    for (int i = 0; shape != NULL && i < fields->rank; i++) {
        PyObject *size = PyLong_FromSsize_t(fields->shape[i]);
        if (size == NULL || PyTuple_SetItem(shape, i, size) < 0)
            Py_CLEAR(shape);
    }
    return shape;
}

PyObject *tensor_build(const struct tensor_fields *fields)
{
    size_t expected;
    if (fields->kind[0] == '\0' || fields->rank < 0 || fields->buffer == NULL) {
        fail("a tensor has the fields type, shape and data");
        return NULL;
    }
    PyObject *dtype = dtype_of(fields->kind, fields->bits);
    if (dtype == NULL || count_expected_bytes(fields, &expected) < 0)
        return NULL;
    if (expected != fields->length)
        return PyErr_Format(PyExc_ValueError, "data has %zu bytes, type and shape need %zu", fields->length, expected);
    if (numpy_api_load())
        return numpy_api_array(dtype, fields->rank, fields->shape, fields->bytes, fields->buffer);
    PyObject *shape = build_shape(fields);
    PyObject *array =
        shape == NULL ? NULL : PyObject_CallMethod(module, "from_buffer", "OOO", fields->buffer, dtype, shape);
    Py_XDECREF(shape);
    return array;
}

/* -- to Elixir ---------------------------------------------------------------------------------------------------- */

bool tensor_is_array(PyObject *object)
{
    if (array_type == NULL) {
        PyObject *name = PyUnicode_FromString("numpy");
        PyObject *numpy = name == NULL ? NULL : PyImport_GetModule(name);
        if (numpy != NULL)
            array_type = PyObject_GetAttrString(numpy, "ndarray");
        PyErr_Clear();
        Py_XDECREF(numpy);
        Py_XDECREF(name);
    }
    return array_type != NULL && (PyObject *)Py_TYPE(object) == array_type;
}

/* Returns the Nx kind for a format of the buffer protocol (PEP 3118) in native byte order; NULL if there is none. */
static const char *kind_of_format(const char *format)
{
    if (format == NULL)
        return "u";
    if (*format == '@' || *format == '=')
        format++;
    if (strcmp(format, "Zf") == 0 || strcmp(format, "Zd") == 0)
        return "c";
    if (format[0] == '\0' || format[1] != '\0')
        return NULL;
    if (strchr("bhilq", *format) != NULL)
        return "s";
    if (strchr("?BHILQ", *format) != NULL)
        return "u";
    return strchr("efd", *format) != NULL ? "f" : NULL;
}

/* Appends the tensor, and takes the view over. */
static int put_tensor(struct message *message, Py_buffer *view, const char *kind, long bits, bool temporary)
{
    message_put_map(message, 4);
    message_put_atom_text(message, "__struct__");
    message_put_atom_text(message, TENSOR_STRUCT);
    message_put_atom_text(message, "type");
    message_put_tuple(message, 2);
    message_put_atom_text(message, kind);
    message_put_integer(message, bits);
    message_put_atom_text(message, "shape");
    message_put_tuple(message, (uint32_t)view->ndim);
    for (int i = 0; i < view->ndim; i++)
        message_put_integer(message, view->shape[i]);
    message_put_atom_text(message, "data");
    return temporary ? large_binary_put_temporary(message, view) : large_binary_put_view(message, view);
}

/* Returns a view of the array if it can be sent as it lies, else NULL with no error set. */
static Py_buffer *get_plain_view(PyObject *array)
{
    Py_buffer *view = malloc(sizeof *view);
    if (view == NULL)
        return NULL;
    /* Fails for strided arrays, and for types outside the protocol. */
    if (PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) == 0) {
        if (kind_of_format(view->format) != NULL)
            return view;
        PyBuffer_Release(view);
    }
    interrupt_clear_error();
    free(view);
    return NULL;
}

/* Returns whether a copy of the array is within the message's limit. */
static bool is_allowed(struct message *message, PyObject *array)
{
    if (message->limit == 0)
        return true;
    PyObject *bytes = PyObject_GetAttrString(array, "nbytes");
    size_t size = bytes == NULL ? 0 : PyLong_AsSize_t(bytes);
    interrupt_clear_error();
    Py_XDECREF(bytes);
    return message_allows(message, size);
}

static int put_converted(struct message *message, PyObject *array)
{
    PyObject *native;
    const char *kind;
    long bits;
    int failed = -1;
    if (!is_allowed(message, array))
        return 0; /* the encoder reports it */
    PyObject *converted = load() == NULL ? NULL : PyObject_CallMethod(module, "plain", "O", array);
    if (converted == NULL)
        return -1;
    if (PyArg_ParseTuple(converted, "Osl", &native, &kind, &bits)) {
        bool temporary = numpy_allocator_is_temporary(native, 1); /* the tuple's */
        Py_buffer *view = get_plain_view(native);
        if (view != NULL)
            failed = put_tensor(message, view, kind, bits, temporary);
        else
            PyErr_SetString(errors_EncodeError, "an array that does not give its data away");
    }
    Py_DECREF(converted);
    return failed;
}

int tensor_put(struct message *message, PyObject *array, Py_ssize_t references)
{
    bool temporary = references > 0 && numpy_allocator_is_temporary(array, references);
    Py_buffer *view = get_plain_view(array);
    if (view == NULL)
        return put_converted(message, array);
    return put_tensor(message, view, kind_of_format(view->format), 8 * (long)view->itemsize, temporary);
}
