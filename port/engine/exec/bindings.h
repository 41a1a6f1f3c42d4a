/* Checks the bindings of a request, and runs code with them as names of its own. All functions need the GIL. */
#ifndef PYTHONX_BINDINGS_H
#define PYTHONX_BINDINGS_H

#include <stdbool.h>

#include "python/py_api.h"

/* Checks that the keys of the dict are names that code can assign. Takes the dict over, and returns one with the names
 * as Python's compiler reads them (NFKC), which may be the same one. Returns NULL with a BadRequest set, whose message
 * begins with `what`, or with another error set. */
PyObject *bindings_check(PyObject *bindings, const char *what);

/* Compiles code for these bindings. Returns a new reference to a block (exec/compile.h) whose body bindings_evaluate
 * runs, and whose last element is the text; NULL with an error set. */
PyObject *bindings_compile(PyObject *text, PyObject *file, int keep_value, PyObject *bindings);

/* Returns whether the block is for bindings of these names. Sets no error that is not a failure of memory. */
bool bindings_fit(PyObject *block, PyObject *bindings);

/* Runs the body of such a block. Returns a new reference to its value, which is a coroutine if it awaits; NULL with an
 * error set. */
PyObject *bindings_evaluate(PyObject *block, PyObject *bindings, PyObject *globals);

#endif
