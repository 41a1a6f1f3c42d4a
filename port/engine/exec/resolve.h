/* Resolves the target of a `call`: a name in the session, a dotted name, or an object. */
#ifndef PYTHONX_RESOLVE_H
#define PYTHONX_RESOLVE_H

#include "python/py_api.h"

/* Returns a new reference to the object that `target` names. A str is looked up: its first part in `bindings` (a dict,
 * or NULL), in `globals`, then among the builtins, then as a module that is imported; further parts as attributes, or
 * submodules. Any other object is the target itself. Returns NULL with an error set. */
PyObject *resolve_target(PyObject *target, PyObject *bindings, PyObject *globals);

#endif
