/* Makes the Python types of module `erlang`: Atom, a str, and the opaque Pid, Port, Reference, Fun and Bitstring, which
 * hold the bytes of their term and are sent back as they came. All functions need the GIL. */
#ifndef PYTHONX_TYPES_H
#define PYTHONX_TYPES_H

#include "python/py_api.h"
#include "wire/term.h"

/* Makes the types and adds them to the module; `call_function` runs when a Fun is called. 0, or -1 with an error set.
 */
int types_add(PyObject *module, ternaryfunc call_function);

/* New reference. `text` is UTF-8. */
PyObject *types_atom(const char *text, Py_ssize_t length);
int types_is_atom(PyObject *object);
int types_is_pid(PyObject *object);

/* New reference: an opaque object for the term of `kind` (pid, port, reference, fun or bitstring) that stands in
 * [start, start + length). */
PyObject *types_opaque(enum term_kind kind, const unsigned char *start, size_t length);

/* The term's bytes, borrowed from the object; NULL, with no error set, if the object is not opaque. */
PyObject *types_opaque_term(PyObject *object);

#endif
