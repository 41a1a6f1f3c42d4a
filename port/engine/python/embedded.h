/* Loads the engine's own Python files, which are put into it at build time. */
#ifndef PYTHONX_EMBEDDED_H
#define PYTHONX_EMBEDDED_H

#include "python/py_api.h"

/* Returns a new reference to the module `_pythonx_<name>`, which runs <name>.py the first time; NULL with an error
 * set. Another thread that loads a file meanwhile is waited for. */
PyObject *embedded_load(const char *name);

/* Makes the object an attribute of `_pythonx`, whose attributes Python frees along with those of the other modules. The
 * caller keeps its reference. Returns 0, or -1 with an error set. */
int embedded_hand_over(const char *name, PyObject *object);

#endif
