/* Shows objects as notebooks do. */
#ifndef PYTHONX_RICH_H
#define PYTHONX_RICH_H

#include "python/py_api.h"

/* Returns a new reference to `%PythonxPort.Rich{}` of the object, as a dict; NULL with an error set. Needs the GIL. */
PyObject *rich_describe(PyObject *object);

#endif
