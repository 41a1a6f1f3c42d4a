/* Converts %PythonxPort.Tensor{} and %Nx.Tensor{} to numpy.ndarray and back. All functions need the GIL. */
#ifndef PYTHONX_TENSOR_H
#define PYTHONX_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "python/py_api.h"
#include "wire/message.h"

#define TENSOR_STRUCT "Elixir.PythonxPort.Tensor"
#define TENSOR_STRUCT_NX "Elixir.Nx.Tensor"

#define TENSOR_RANK_MAX 64

/* The fields of a tensor as they were read; tensor_build checks them. */
struct tensor_fields {
    char kind[16]; /* of the type {:f, 32}: "f" */
    long bits;
    int rank; /* -1: no shape was given */
    Py_ssize_t shape[TENSOR_RANK_MAX];
    PyObject *buffer; /* owned; the bytes of `data`; NULL: none were given */
    unsigned char *bytes;
    size_t length;
};

/* Returns a new reference to a writable ndarray that lies on the fields' buffer. Returns NULL with a ValueError, which
 * may be a DecodeError, if type, shape and data do not fit each other, or NumPy cannot hold the data. */
PyObject *tensor_build(const struct tensor_fields *fields);

/* Returns true for exact ndarrays; never imports NumPy. */
bool tensor_is_array(PyObject *object);

/* Appends `%PythonxPort.Tensor{}`; large data is pinned. `references` is how many references the caller releases once
 * all is encoded; if there are no others, the array's memory may become the client's (0: never). Returns -1 with an
 * EncodeError, or what Python raised. */
int tensor_put(struct message *message, PyObject *array, Py_ssize_t references);

#endif
