/* Objects to terms. The table is in PROTOCOL.md. All functions need the GIL. */
#ifndef PYTHONX_ENCODE_H
#define PYTHONX_ENCODE_H

#include "python/py_api.h"
#include "wire/message.h"

/* Appends the object's term. Memory of arrays that nobody but the caller has, with one reference, may become the
 * client's: the caller then lets go of the object, and calls large_binary_detach, before it sends the message. -1 with
 * an error set: an EncodeError, whose message names the place after `name`, or what Python raised; the message then
 * holds half a term and is to be begun anew. */
int encode_object(struct message *message, PyObject *object, const char *name);

/* Appends `%PythonxPort.Object{}` for the object kept under `number`. */
int encode_reference(struct message *message, unsigned long long number, PyObject *object);

#endif
