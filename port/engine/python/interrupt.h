/* Raises, in the code of a request, the exception that ends it. Any thread may note an abort (queue/job.h); the main
 * thread delivers it: a signal makes it check for aborts at its next bytecode, or cuts a blocking call short (EINTR).
 * The exception is raised in the user's code alone: never inside asyncio, the import system or the engine's own files.
 * An abort that cannot be delivered at this moment is delivered a little later. All functions need the GIL. */
#ifndef PYTHONX_INTERRUPT_H
#define PYTHONX_INTERRUPT_H

#include <stdbool.h>

#include "python/py_api.h"
#include "queue/job.h"

/* Installs the signal's handler and adds the exceptions to the module. Must be called on the main thread, once erlang's
 * types exist. Returns 0, or -1 with an error set. */
int interrupt_start(PyObject *module);

/* Raises the job's abort, if it has one that is due. Returns -1 then, with the error set, else 0. */
int interrupt_raise(struct job *job);

/* Returns whether the calling thread is Python's main thread, which signals reach. */
bool interrupt_on_main(void);

/* Runs Python's signal handlers, and delivers aborts to other threads, on behalf of the idle main thread. What a
 * handler raises cannot end a request, and is reported by sys.unraisablehook. */
void interrupt_run_handlers(void);

/* From the main thread: sets the exceptions of aborts that are due in other threads, if these run user's code. */
void interrupt_threads(void);

/* Must be called when the job's code has ended: an exception that its thread has not met yet does not hit what the
 * thread does next. */
void interrupt_leave_thread(struct job *job);

/* Returns a new reference to the exception for its abort, delivered or not, or None; NULL with an error set. */
PyObject *interrupt_exception(const struct job *job);

/* The texts for a request that ends with the session, and for a stream that a stop ends. */
#define INTERRUPT_ENDED "the session ended before the request did"
#define INTERRUPT_STOPPED "the session was stopped before the stream had come to its end"

/* Replaces the current error by the job's abort, if it has one, with the traceback of the error. */
void interrupt_replace_error(const struct job *job);

/* Gives the current error its text, if it is the job's abort as a thread gets it: without one. */
void interrupt_name_abort(const struct job *job);

/* Sets an erlang.Shutdown. */
void interrupt_set_shutdown(const char *text);

/* Returns the `kind` of the current error, if it is an exception of this module; else NULL. */
const char *interrupt_kind(void);

/* As PyErr_Clear, for C code that goes on after an error of Python code that it has called: if the error is an abort,
 * it is delivered again. */
void interrupt_clear_error(void);

/* sys.unraisablehook: delivers an abort again whose exception was swallowed, for example in a __del__. */
PyObject *interrupt_unraisable_function(PyObject *self, PyObject *arguments);

#endif
