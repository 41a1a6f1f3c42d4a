/* Stopping what Python runs on the main thread, from another thread that may not touch Python. */
#ifndef PYTHONX_INTERRUPT_H
#define PYTHONX_INTERRUPT_H

#include "python.h"

/* From the main thread, with the GIL, once erlang's types exist: installs the signal's handler. 0, or -1 with an error.
 */
int interrupt_start(PyObject *module);

/* From any thread, without the GIL; nothing happens before interrupt_start: the main thread gets an erlang.Shutdown at
 * its next bytecode; a blocking call of it is cut short (EINTR). */
void interrupt_shutdown(void);

extern PyObject *interrupt_Shutdown; /* a BaseException, so that `except Exception` lets it pass */

#endif
