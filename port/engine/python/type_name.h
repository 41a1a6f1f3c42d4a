/* Names types as Python shows them in error messages. */
#ifndef PYTHONX_TYPE_NAME_H
#define PYTHONX_TYPE_NAME_H

#include "python/py_api.h"

/* Returns a new reference to "module.QualifiedName" of the object's type, without the module if that is `implied` (may
 * be NULL). Returns NULL with an error set. Needs the GIL. */
PyObject *type_name_of(PyObject *object, const char *implied);

#endif
