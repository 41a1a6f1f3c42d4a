/* The engine's own Python files, put into it at build time. */
#ifndef PYTHONX_EMBEDDED_H
#define PYTHONX_EMBEDDED_H

#include "python/py_api.h"

/* The module `_pythonx_<name>`, made by running port/engine/<name>.py when it is first asked for; new reference, NULL
 * with an error set. */
PyObject *embedded_load(const char *name);

#endif
