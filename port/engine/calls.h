/* Calls from Python to the BEAM, which wait for their answer. While a thread waits it runs the requests
 * that the called function makes within the call, so that the two sides may call each other to any depth. */
#ifndef PYTHONX_CALLS_H
#define PYTHONX_CALLS_H

#include <stdbool.h>
#include <stddef.h>

#include "flight.h"
#include "input.h"
#include "python.h"

/* Borrowed for good. The main thread reads its input by itself while it waits. */
void calls_start(struct input *input);

/* -- with the GIL: what module erlang has -- */

PyObject *calls_call_function(PyObject *self, PyObject *arguments); /* call(module, function, args) */

/* Calling a Fun; new reference to what it returned. */
PyObject *calls_call_fun(PyObject *fun, PyObject *arguments, PyObject *keywords);

/* For loop.py: begin_call(future, target, args); abandon_call(future), whether it was answered or not. */
PyObject *calls_begin_function(PyObject *self, PyObject *arguments);
PyObject *calls_abandon_function(PyObject *self, PyObject *future);

/* In the loop: gives answers to their futures. */
void calls_resolve(void);

/* -- from any thread, without the GIL -- */

/* The answer to a call; takes over what the request owns. False, and it stays the caller's, where nobody waits for it.
 */
bool calls_answer(struct request *request);

/* A request that was made within a call: begins, to run where that waits. False, and it stays the caller's, where none
 * does. */
bool calls_give(struct flight *flight);

/* One that was made within a call that a task awaits; NULL where there is none. */
struct flight *calls_take_given(void);

/* A stream may go on: threads that wait look whether it is theirs to do. */
void calls_wake_threads(void);

/* Whether the main thread waits in a call, and how many calls wait in all. */
bool calls_main_waits(void);
size_t calls_count(void);

#endif
