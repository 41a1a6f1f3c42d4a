/* Ending what Python runs, from a thread that may not touch Python: by a signal to the main thread, at whose next
 * bytecode the request that runs there gets an exception if it has a verdict (job.h). A blocking call of the main
 * thread is cut short (EINTR). */
#ifndef PYTHONX_INTERRUPT_H
#define PYTHONX_INTERRUPT_H

#include "python/py_api.h"
#include "queue/job.h"

/* From the main thread, with the GIL, once erlang's types exist: installs the signal's handler and adds the exceptions
 * to the module. 0, or -1 with an error. */
int interrupt_start(PyObject *module);

/* From any thread, without the GIL; nothing happens before interrupt_start. The first looks for verdicts; the second
 * ends whatever runs with an erlang.Shutdown, for nobody waits for it any more. */
void interrupt_main(void);
void interrupt_shutdown(void);

/* With the GIL: raises the job's verdict, if it has one that was not told yet. -1 then, with the error set. */
int interrupt_raise(struct job *job);

/* Whether the calling thread is Python's main one, which signals reach. */
bool interrupt_on_main(void);

/* With the GIL, around code of the job: says which thread it runs on, where that is not the main one, whose signal
 * handlers do not reach it. A verdict that comes too late does not hit what the thread does next. */
void interrupt_enter_thread(struct job *job);
void interrupt_leave_thread(struct job *job);

/* New reference to the exception for its verdict, told or not, or None; NULL with an error set. */
PyObject *interrupt_exception(const struct job *job);

/* Sets an erlang.Shutdown. With the GIL. */
void interrupt_set_shutdown(const char *text);

/* The `kind` for the current error, where it is an exception of this module; else NULL. */
const char *interrupt_kind(void);

/* sys.unraisablehook: an interrupt that came where nobody could hear it, as in a __del__, comes again. */
PyObject *interrupt_unraisable_function(PyObject *self, PyObject *arguments);

#endif
