/* Starts Python for the suites that convert: once, in the process that forks the tests. */
#ifndef PYTHONX_TESTS_PYTHON_FIXTURE_H
#define PYTHONX_TESTS_PYTHON_FIXTURE_H

#include <stdbool.h>

#include "python/py_api.h"

/* An unchecked fixture: starts Python and the parts of the engine that convert. Further calls do nothing. */
void python_fixture_start(void);

/* Returns a new reference to the value of an expression, which is the last line of a longer text. The names of
 * python_fixture.c's prelude can be used. A Python error fails the test, which prints it. */
PyObject *python_eval(const char *code);

/* Runs a text in the same names. */
void python_exec(const char *code);

/* Assigns a name in them. */
void python_set(const char *name, PyObject *object);

/* Fails the test unless both are equal and of the same types, all the way down; `what` is for the message. */
void python_assert_alike(PyObject *got, PyObject *expected, const char *what);

/* Returns the message of the current error, which is cleared, after its type's name: "DecodeError: …"; the caller must
 * free it. Fails the test if there is no error. */
char *python_take_error(void);

bool python_has_module(const char *name);

/* Returns whether NumPy can be imported; if not, prints on stderr what the suite skips. */
bool python_has_numpy(const char *suite);

/* Hides NumPy's C API from the engine, as if its ABI were another than the engine's. */
void python_without_numpy_api(void);

/* Returns how many blocks of memory Python has allocated: repeated work must not make it grow. */
Py_ssize_t python_blocks(void);

#endif
