/* The engine's own Python files, put into it at build time. */
#ifndef PYTHONX_EMBEDDED_H
#define PYTHONX_EMBEDDED_H

#include "python.h"

/* Runs port/engine/<name>.py as module `_pythonx_<name>`; new reference, NULL with an error set. */
PyObject *embedded_load(const char *name);

#endif
