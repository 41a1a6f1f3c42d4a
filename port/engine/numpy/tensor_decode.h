/* The fields of %PythonxPort.Tensor{} and %Nx.Tensor{}, read off the frame without a Python object for each. */
#ifndef PYTHONX_TENSOR_DECODE_H
#define PYTHONX_TENSOR_DECODE_H

#include "codec/decode.h"

#define TENSOR_STRUCT "Elixir.PythonxPort.Tensor"
#define TENSOR_STRUCT_NX "Elixir.Nx.Tensor"

/* The span stands at the first of `pairs` pairs of the struct, and is moved past the last. New reference to the array;
 * NULL with a DecodeError, a ValueError that has no place in it yet, or what Python raised. */
PyObject *tensor_decode(struct decoder *decoder, size_t pairs);

#endif
