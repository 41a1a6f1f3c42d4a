/* Python for the suites that convert: started once, in the process that forks the tests. */
#ifndef PYTHONX_TESTS_PYTHON_FIXTURE_H
#define PYTHONX_TESTS_PYTHON_FIXTURE_H

#include <stdbool.h>

#include "python/py_api.h"

/* An unchecked fixture: starts Python and the parts of the engine that convert. Further calls do nothing. */
void python_fixture_start(void);

/* New reference to the value of an expression; the last line of a longer text is one. The names of python_fixture.c's
 * prelude are there. A Python error fails the test, which prints it. */
PyObject *python_eval(const char *code);

/* Runs a text in the same names. */
void python_exec(const char *code);

/* Assigns a name in them. */
void python_set(const char *name, PyObject *object);

/* Fails the test unless both are equal and of the same types, all the way down; `what` is for the message. */
void python_assert_alike(PyObject *got, PyObject *expected, const char *what);

/* The message of the current error, which is cleared, and its type's name in front: "DecodeError: …"; to be freed.
 * Without an error the test fails. */
char *python_take_error(void);

bool python_has_module(const char *name);

/* Where there is none, stderr says what the suite skips. */
bool python_has_numpy(const char *suite);

/* From here on NumPy has no C API for the engine, as where its ABI is another than the engine's. */
void python_without_numpy_api(void);

/* How many pieces of memory Python has given out: what is done again and again must not make it grow. */
Py_ssize_t python_blocks(void);

#endif
