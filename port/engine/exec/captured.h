/* Binds those of the client's variables that code uses: the option `captured`. All functions need the GIL. */
#ifndef PYTHONX_CAPTURED_H
#define PYTHONX_CAPTURED_H

#include "python/context.h"

/* Adds the captured variables that the code of this text uses and does not assign, unless a binding has their name.
 * *bindings is a dict from bindings_check or NULL, and is replaced by such a one. The values of all other variables are
 * not decoded. Returns 0, or -1 with an error set. */
int captured_add(const struct context *context, PyObject *text, PyObject **bindings);

#endif
