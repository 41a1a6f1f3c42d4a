/* Compiles code texts, each once, and evaluates them. All functions need the GIL. */
#ifndef PYTHONX_COMPILE_H
#define PYTHONX_COMPILE_H

#include "python/context.h"

int compile_start(void);

/* Returns a new reference to a tuple (body, expression, awaits, file, ...): code objects, either of which may be None,
 * for the statements to execute first and for the expression whose value is the block's, whether they await (top-level
 * `await`), and the name of their file. If `keep_value` is 0 all is body. `bindings` is a dict from bindings_check, or
 * NULL for code without: the block is for bindings of these names. Returns NULL with an error set. */
PyObject *compile_code(PyObject *text, const struct source_place *place, int keep_value, PyObject *bindings);

/* Returns a new reference to the block's value, which is a coroutine if it awaits; NULL with an error set. The bindings
 * are those of compile_code, or others of the same names. */
PyObject *compile_evaluate(PyObject *block, PyObject *globals, PyObject *bindings);

/* Returns the module tracebacks.py, borrowed; NULL with an error set. */
PyObject *compile_tracebacks(void);

/* Makes evaluated_sources(forget), which sources.py calls: returns the dict of the kept texts by their file names.
 * Later forget(file) is called for each text before it is dropped. */
PyObject *compile_sources_function(PyObject *self, PyObject *forget);

#endif
