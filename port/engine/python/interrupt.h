/* Raises, in the code of a request, the exception that ends it. An abort is noted by any thread (queue/job.h); the main
 * thread delivers it: a signal makes it look at its next bytecode, or cuts a blocking call short (EINTR). The exception
 * is raised in the user's code alone: never inside asyncio, the import system or the engine's own files. What cannot be
 * delivered at this moment is delivered a little later. All functions need the GIL. */
#ifndef PYTHONX_INTERRUPT_H
#define PYTHONX_INTERRUPT_H

#include <stdbool.h>

#include "python/py_api.h"
#include "queue/job.h"

/* From the main thread, once erlang's types exist: installs the signal's handler and adds the exceptions to the module.
 * 0, or -1 with an error. */
int interrupt_start(PyObject *module);

/* Raises the job's abort, if it has one that is due. -1 then, with the error set. */
int interrupt_raise(struct job *job);

/* Delivers the job's abort a little later, if it has one that is due: one that came while the job was not abortable. */
void interrupt_retry(struct job *job);

/* Whether the calling thread is Python's main one, which signals reach. */
bool interrupt_on_main(void);

/* For the idle main thread: runs Python's signal handlers, and delivers aborts to other threads. What a handler raises
 * has no request to end, and is reported by sys.unraisablehook. */
void interrupt_run_handlers(void);

/* The job's code has ended: an exception that its thread has not met yet does not hit what the thread does next. */
void interrupt_leave_thread(struct job *job);

/* New reference to the exception for its abort, delivered or not, or None; NULL with an error set. */
PyObject *interrupt_exception(const struct job *job);

/* Why a request ends with the session, and a stream that a stop finds. */
#define INTERRUPT_ENDED "the session ended before the request did"
#define INTERRUPT_STOPPED "the session was stopped before the stream had come to its end"

/* Gives the current error its text, if it is the job's abort as a thread got it: without one. */
void interrupt_name_abort(const struct job *job);

/* Sets an erlang.Shutdown. */
void interrupt_set_shutdown(const char *text);

/* The `kind` for the current error, if it is an exception of this module; else NULL. */
const char *interrupt_kind(void);

/* sys.unraisablehook: an abort whose exception was swallowed, as in a __del__, is delivered again. */
PyObject *interrupt_unraisable_function(PyObject *self, PyObject *arguments);

#endif
