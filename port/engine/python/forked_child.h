/* Ends a child that Python code forked and that came back to the engine: the session is the parent's, which goes on
 * with it. The child ends as a script of python3 would. */
#ifndef PYTHONX_FORKED_CHILD_H
#define PYTHONX_FORKED_CHILD_H

#include "python/py_api.h"

/* In a forked child: prints the traceback of the error that is set, if any, runs what atexit has, and ends the process
 * with the status that python3 would have: 0, 1 after an exception, or that of sys.exit. In the session itself nothing
 * happens. To be called before any lock of the session is taken. */
void forked_child_leave(void);

#endif
