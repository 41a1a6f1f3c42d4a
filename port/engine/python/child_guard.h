/* Starts the guard of the session's children (launcher/children.h) before Python starts the first of them. A session
 * without children has none. */
#ifndef PYTHONX_CHILD_GUARD_H
#define PYTHONX_CHILD_GUARD_H

#include "python/py_api.h"

/* Has forks, and the functions that child_guard_wrap_function has returned, start the guard: the launcher, by this
 * path, which must stay valid; NULL: there shall be none. The guard gets this oom_score_adj; NULL: none. Does nothing
 * on systems that have no guard. */
void child_guard_prepare(const char *launcher, const int *oom_score);

/* Takes a builtin function that starts a process. Returns one that starts the guard first, with the same name,
 * signature and text; or the function itself if children are kept. */
PyObject *child_guard_wrap_function(PyObject *self, PyObject *function);

#endif
