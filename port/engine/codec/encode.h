/* Encodes objects to terms, by the table in PROTOCOL.md. All functions need the GIL. */
#ifndef PYTHONX_ENCODE_H
#define PYTHONX_ENCODE_H

#include "python/py_api.h"
#include "wire/message.h"

/* Appends the object's term. If the caller holds the only reference to the object, memory of its arrays may become the
 * client's: the caller must then release the object, and call large_binary_detach, before it sends the message. Returns
 * -1 with an error set: an EncodeError, whose message names the place after `name`, or what Python raised; the message
 * then holds half a term and must be begun again. */
int encode_object(struct message *message, PyObject *object, const char *name);

/* Likewise, with an EncodeError as soon as the term takes more bytes than `limit`, those in segments included; 0: it
 * may take any number. None always passes. */
int encode_object_within(struct message *message, PyObject *object, const char *name, size_t limit);

/* Likewise, for the result of a request that names types (codec/typed.h), or none (NULL). */
int encode_result(struct message *message, PyObject *object, PyObject *types, size_t limit);

/* Appends a str as an atom. Returns 0, or -1 with an error set. */
int encode_name(struct message *message, PyObject *text);

/* Appends `%PythonxPort.Object{}` for the object that is kept under `number`. Returns 0. */
int encode_reference(struct message *message, unsigned long long number, PyObject *object);

#endif
