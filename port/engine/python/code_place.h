/* Finds whose code a Python frame belongs to: an exception that ends a request may be raised in the user's code alone.
 * All functions need the GIL. */
#ifndef PYTHONX_CODE_PLACE_H
#define PYTHONX_CODE_PLACE_H

#include "python/py_api.h"

enum code_place {
    CODE_OF_USER,
    CODE_OF_IMPORT, /* the import system: Python cannot repeat an import that was cut short */
    CODE_OF_ENGINE, /* one of the engine's own files */
    CODE_OF_ASYNCIO,
    CODE_OF_SELECT, /* an event loop of asyncio that waits: it is between two callbacks, and loses none */
};

/* Returns the place of `frame`, the innermost one (borrowed; NULL or None, no Python code at all, counts as the
 * user's). Leaves no error set. */
enum code_place code_place_of(PyObject *frame);

#endif
