/* Objects that the BEAM holds by number ({'$ref', N}) until it releases them. All functions need the GIL. */
#ifndef PYTHONX_REFS_H
#define PYTHONX_REFS_H

#include "python/py_api.h"

int refs_start(void);

/* Keeps the object; its number, never used before, or 0 with an error set. */
unsigned long long refs_keep(PyObject *object);

/* New reference to the object kept under `number` (a Python int); NULL with a DecodeError where there is none. */
PyObject *refs_get(PyObject *number);

/* Lets go of objects: each item of the list is a number, ('$ref', number) or a dict with the key "ref". What is not
 * kept is ignored. -1, with no error set and nothing let go, where it is not such a list. */
int refs_release(PyObject *list);

#endif
