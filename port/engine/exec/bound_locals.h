/* Makes the locals of bound code: a mapping that is not filled before it is looked at, which few requests do. All
 * functions need the GIL. */
#ifndef PYTHONX_BOUND_LOCALS_H
#define PYTHONX_BOUND_LOCALS_H

#include "python/py_api.h"

/* `function(names, cells, globals, hidden)`, of bound_names.py, makes what the mapping does when it is looked at. The
 * caller keeps its reference, and holds it from here on. Returns 0, or -1 with an error set. */
int bound_locals_start(PyObject *function);

/* Returns a new reference; NULL with an error set. `names` are the bindings, and `cells` hold their values; all other
 * names are those of `globals`, `hidden` ones excepted. */
PyObject *bound_locals_new(PyObject *names, PyObject *cells, PyObject *globals, PyObject *hidden);

#endif
