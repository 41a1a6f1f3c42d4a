/* Converts Elixir's structs to Python objects and back, by the tables of structs.py. All functions need the GIL. */
#ifndef PYTHONX_STRUCTS_H
#define PYTHONX_STRUCTS_H

#include "python/py_api.h"

/* The struct whose binary is decoded to bytes. */
#define STRUCTS_BYTES "Elixir.PythonxPort.Bytes"
/* The struct that holds what it was compiled to, which is no text: its binaries are decoded to bytes. */
#define STRUCTS_REGEX "Elixir.Regex"
/* The struct that stands for an object in the session. */
#define STRUCTS_OBJECT "Elixir.PythonxPort.Object"

/* Prepares the conversion. `mapset_version` is the value of %MapSet{}'s version field in the client's Elixir; negative
 * if it has none. Returns 0, or -1 with an error set. */
int structs_start(long mapset_version);

/* Hands the encoders to Python at the end of the session: they are freed along with the modules. */
void structs_stop(void);

/* Returns a new reference to the object that the struct in `dict` stands for, or to the dict itself if its name has no
 * form of its own. The caller keeps its references. Returns NULL with the error that the conversion raised. */
PyObject *structs_build(PyObject *dict, PyObject *struct_key, int hashable);

/* Simplifies an object of a type that encode.c does not handle. Returns a new reference to a simpler object, or, with
 * *as_base set to the built-in type, to the object itself. Returns NULL with an EncodeError if it has no form. */
PyObject *structs_simplify(PyObject *object, PyTypeObject **as_base);

/* Makes erlang.register_encoder(type, function). */
PyObject *structs_register_encoder(PyObject *self, PyObject *arguments);

#endif
