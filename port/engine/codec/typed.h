/* Sends objects of types that a request names as `{'$object', Name, Type, Value}`. All functions need the GIL. */
#ifndef PYTHONX_TYPED_H
#define PYTHONX_TYPED_H

#include "python/py_api.h"
#include "wire/message.h"

/* Returns a new reference to what typed_find takes, for a list of names; NULL with an error set. */
PyObject *typed_types(PyObject *names);

/* Returns a new reference to the name that the types have for the object's type, or for the first of its bases; NULL if
 * there is none, with an error set only if the search failed. */
PyObject *typed_find(PyObject *types, PyObject *object);

/* Appends the head of the tuple, whose last element, the value, must follow. Returns 0, or -1 with an error set. */
int typed_put_head(struct message *message, PyObject *name, PyObject *object);

/* Returns a new reference to a dict of what is sent as the value; to None if the object is sent in its own form; NULL
 * with an error set. */
PyObject *typed_fields(PyObject *object);

#endif
