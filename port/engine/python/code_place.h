/* Tells whose code a Python frame belongs to: an exception that ends a request may be raised in the user's code alone.
 * With the GIL. */
#ifndef PYTHONX_CODE_PLACE_H
#define PYTHONX_CODE_PLACE_H

#include "python/py_api.h"

enum code_place {
    CODE_OF_USER,
    CODE_OF_IMPORT, /* somewhere in the import system: Python cannot repeat an import that was cut short */
    CODE_OF_ENGINE, /* one of the engine's own files */
    CODE_OF_ASYNCIO,
    CODE_OF_SELECT, /* an event loop of asyncio that waits: between two callbacks, so that it loses none */
};

/* `frame` is the innermost (borrowed; NULL or None: no Python code at all, which is the user's). Keeps no error. */
enum code_place code_place_of(PyObject *frame);

#endif
