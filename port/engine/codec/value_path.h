/* Names the way to a value inside a larger one, such as `args[0]["rows"][3]`. The path is built from the inside out
 * while a failed conversion unwinds, and costs nothing unless one fails. */
#ifndef PYTHONX_VALUE_PATH_H
#define PYTHONX_VALUE_PATH_H

#include "python/py_api.h"

struct value_path {
    char text[256]; /* the deepest steps are left out if it is too long */
};

/* Each function puts one step in front. The current Python error, if any, is kept. */
void value_path_prepend(struct value_path *path, const char *step);
void value_path_prepend_index(struct value_path *path, Py_ssize_t index);
void value_path_prepend_key(struct value_path *path, PyObject *key);

/* Replaces the current error, if it is a `type`, by one whose message begins with the path. */
void value_path_raise(const struct value_path *path, PyObject *type);

#endif
