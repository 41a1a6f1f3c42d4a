/* Loads the engine's own Python files, which are put into it at build time. */
#ifndef PYTHONX_EMBEDDED_H
#define PYTHONX_EMBEDDED_H

#include "python/py_api.h"

/* Returns a new reference to the module `_pythonx_<name>`, which runs <name>.py the first time; NULL with an error
 * set. Another thread that loads a file meanwhile is waited for. */
PyObject *embedded_load(const char *name);

#endif
