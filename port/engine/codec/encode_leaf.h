/* Encodes objects without elements, each of the type that the function names or of a subclass. All functions need the
 * GIL, and return 0, or -1 with an error set. */
#ifndef PYTHONX_ENCODE_LEAF_H
#define PYTHONX_ENCODE_LEAF_H

#include <stdbool.h>

#include "codec/atom_budget.h"
#include "python/py_api.h"
#include "wire/message.h"

/* Sets an EncodeError; returns -1. */
int encode_fail(const char *what);

/* Sets an EncodeError that says what the message would have taken; returns -1. */
int encode_fail_over_limit(const struct message *message);

/* Returns `failed`, or -1 with an EncodeError set if the message is over its limit. */
static inline int encode_check_limit(const struct message *message, int failed)
{
    return failed == 0 && message->over_limit ? encode_fail_over_limit(message) : failed;
}

/* Encodes an int of more than 64 bits. */
int encode_big_integer(struct message *message, PyObject *object, bool negative);

static inline int encode_integer(struct message *message, PyObject *object)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow != 0)
        return encode_big_integer(message, object, overflow < 0);
    if (value == -1 && PyErr_Occurred())
        return -1;
    message_put_integer(message, value);
    return 0;
}

int encode_float(struct message *message, PyObject *object);
int encode_text(struct message *message, PyObject *object);

/* Encodes a str as an atom; `created` is the list of the term (atom_budget.h). */
int encode_atom(struct message *message, PyObject *object, struct atom_list *created);

int encode_bytes(struct message *message, PyObject *object);

/* Encodes any object that exports a buffer. */
int encode_buffer(struct message *message, PyObject *object);

#endif
