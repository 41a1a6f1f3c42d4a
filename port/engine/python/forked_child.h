/* Ends a child that Python code forked and that returns to the engine: the session belongs to the parent, which
 * continues it. The child ends as a script of python3 would. */
#ifndef PYTHONX_FORKED_CHILD_H
#define PYTHONX_FORKED_CHILD_H

#include "python/py_api.h"

/* Has `let_go` called in a child before Python ends there: it drops the engine's references to the user's objects. */
void forked_child_start(void (*let_go)(void));

/* In a forked child: prints the traceback of the error that is set, if any, ends Python, and ends the process with the
 * status that python3 would have: 0, 1 after an exception, or that of sys.exit. In the session itself it does nothing.
 * Must be called before any lock of the session is taken. */
void forked_child_leave(void);

#endif
