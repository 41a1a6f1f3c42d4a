/* The calls to the BEAM that wait for their answer, and what arrives for them. What comes is left in the call, and its
 * thread woken; the main thread needs no waking, as it is the one that reads while it waits, and tasks are woken
 * through their loop. */
#ifndef PYTHONX_CALL_LIST_H
#define PYTHONX_CALL_LIST_H

#include <pthread.h>
#include <stdbool.h>

#include "flight.h"
#include "python.h"

enum waiter { WAITER_MAIN, WAITER_THREAD, WAITER_TASK };

struct call {
    unsigned long long number;
    enum waiter waiter;
    unsigned long long since_us;
    bool answered;
    struct request answer;  /* owned once it is answered */
    struct flight *given;   /* requests made within it, chained by `following` */
    pthread_cond_t arrived; /* for WAITER_THREAD */
    PyObject *future;       /* for WAITER_TASK, owned */
    struct call *next;
};

/* Gives the call its number. */
void call_list_add(struct call *call);

/* Requests that nobody ran within the call run like others. */
void call_list_remove(struct call *call);

/* The next request that was made within it; NULL where there is none. *answered: whether there is an answer. */
struct flight *call_list_take_given(struct call *call, bool *answered);

/* An input_arrived (input.h): whether there is something to do for whoever waits for the call. */
bool call_list_has_arrived(void *call);

/* Waits for that, on a thread that is not the main one. */
void call_list_wait(struct call *call);

/* Calls of tasks: by its future, and one that is answered. NULL where there is none. */
struct call *call_list_find_task(const PyObject *future);
struct call *call_list_find_answered_task(void);

/* -- what the rest of the engine sees of them, from any thread, without the GIL -- */

/* The answer to a call; takes over what the request owns. False, and it stays the caller's, where nobody waits for it.
 */
bool call_list_answer(struct request *request);

/* A request that was made within a call: begins, to run where that waits. False, and it stays the caller's, where none
 * does. */
bool call_list_give(struct flight *flight);

/* One that was made within a call that a task awaits; NULL where there is none. */
struct flight *call_list_take_for_task(void);

/* A stream may go on: threads that wait look whether it is theirs to do. */
void call_list_wake_threads(void);

/* How many calls wait. */
size_t call_list_count(void);

#endif
