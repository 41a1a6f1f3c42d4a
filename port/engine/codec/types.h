/* Makes the Python types of module `erlang`: Atom, a str, and the opaque Pid, Port, Reference, Fun and Bitstring, which
 * hold the bytes of their term and are sent back verbatim. All functions need the GIL. */
#ifndef PYTHONX_TYPES_H
#define PYTHONX_TYPES_H

#include "python/py_api.h"
#include "wire/term.h"

/* Makes the types and adds them to the module; `call_function` runs when a Fun is called. Returns 0, or -1 with an
 * error set. */
int types_add(PyObject *module, ternaryfunc call_function);

/* Returns a new reference to the Atom of a UTF-8 text. */
PyObject *types_atom(const char *text, Py_ssize_t length);
int types_is_atom(PyObject *object);
int types_is_pid(PyObject *object);

/* Returns a new reference to an opaque object for the term of `kind` (pid, port, reference, fun or bitstring) in
 * [start, start + length). */
PyObject *types_opaque(enum term_kind kind, const unsigned char *start, size_t length);

/* Returns the term's bytes, borrowed from the object; NULL, with no error set, if the object is not opaque. */
PyObject *types_opaque_term(PyObject *object);

#endif
