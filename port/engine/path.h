/* The way to a value inside a larger one, such as `args[0]["rows"][3]`, put together from the inside out while a
 * failed conversion unwinds. Costs nothing where nothing fails. */
#ifndef PYTHONX_PATH_H
#define PYTHONX_PATH_H

#include "python.h"

struct path {
    char text[256]; /* what is deeper than fits is left out */
};

/* Each puts one step in front. The current Python error, if any, is kept. */
void path_prepend(struct path *path, const char *step);
void path_prepend_index(struct path *path, Py_ssize_t index);
void path_prepend_key(struct path *path, PyObject *key);

/* Replaces the current error, if it is a `type`, by one whose message begins with the path. */
void path_raise(const struct path *path, PyObject *type);

#endif
