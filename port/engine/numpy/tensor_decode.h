/* Decodes %PythonxPort.Tensor{} and %Nx.Tensor{} to arrays, without a Python object for each field. */
#ifndef PYTHONX_TENSOR_DECODE_H
#define PYTHONX_TENSOR_DECODE_H

#include <stdbool.h>

#include "python/py_api.h"
#include "wire/request.h"
#include "wire/span.h"

/* The position of a tensor in a frame. */
struct tensor_source {
    struct span span;
    struct request *request; /* the request whose frame it is: an array may use its bytes; NULL: arrays get copies */
    bool moved;              /* set if bytes of the frame were moved: it cannot be read again */
};

/* Decodes the struct whose first of `pairs` pairs the span stands at, and moves past the last. Returns a new reference
 * to the array; NULL with a DecodeError, a ValueError that has no place in it yet, or what Python raised. */
PyObject *tensor_decode(struct tensor_source *source, size_t pairs);

#endif
