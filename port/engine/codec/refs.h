/* Keeps objects that the BEAM holds by number ({'$ref', N}) until it releases them. All functions need the GIL. */
#ifndef PYTHONX_REFS_H
#define PYTHONX_REFS_H

#include <stddef.h>

#include "python/py_api.h"

int refs_start(void);

/* Hands the kept objects to Python at the end of the session: they are freed along with the modules, as the globals of
 * a script. */
void refs_stop(void);

/* Keeps the object. Returns its number, never used before, or 0 with an error set. */
unsigned long long refs_keep(PyObject *object);

/* Counts the kept objects. May be called from any thread, without the GIL. */
size_t refs_count(void);

/* Returns a new reference to the object kept under `number` (a Python int); NULL with a DecodeError if there is
 * none. */
PyObject *refs_get(PyObject *number);

/* Releases objects: each item of the list must be a number, ('$ref', number) or a dict with the key "ref". Unknown
 * numbers are ignored. Returns -1, with no error set and nothing released, if it is no such list. */
int refs_release(PyObject *list);

#endif
