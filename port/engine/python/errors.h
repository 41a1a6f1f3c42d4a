/* Takes and sets Python's current error as an object (what PyErr_GetRaisedException does from Python 3.12 on), and
 * makes the exceptions that the engine itself raises. All functions need the GIL. */
#ifndef PYTHONX_ERRORS_H
#define PYTHONX_ERRORS_H

#include "python/py_api.h"

extern PyObject *errors_DecodeError; /* ValueError: a term has no object */
extern PyObject *errors_EncodeError; /* ValueError: an object has no term */
extern PyObject *errors_BadRequest;  /* ValueError: a frame is no request of the protocol */

/* Makes the exceptions, and adds those that Python code may see to the module `erlang`. Returns 0, or -1 with an error
 * set. */
int errors_start(PyObject *module);

/* Returns a new reference to the exception, with its traceback; the error is cleared. Returns NULL if none was set, or
 * if memory is short. */
PyObject *errors_take(void);

/* Notes which byte of the frame the current error is about, as its attribute `byte`; does nothing if memory is short.
 */
void errors_note_byte(size_t byte);

/* Gives the current error the byte of another exception, if that has one. */
void errors_copy_byte(PyObject *exception);

/* Returns the byte that an exception is about, or -1 if it has none. */
long long errors_byte_of(PyObject *exception);

/* Sets the exception as the current error, and takes the reference over. */
void errors_set(PyObject *exception);

#endif
