/* The calls to the BEAM that wait for their answer, and what arrives for them. What comes is left in the call, and its
 * thread woken; the main thread needs no waking, as it is the one that reads while it waits, and tasks are woken
 * through their loop. */
#ifndef PYTHONX_INVOKE_TABLE_H
#define PYTHONX_INVOKE_TABLE_H

#include <pthread.h>
#include <stdbool.h>

#include "python/py_api.h"
#include "queue/job.h"

enum waiter { WAITER_MAIN, WAITER_THREAD, WAITER_TASK };

struct invocation {
    unsigned long long number;
    enum waiter waiter;
    unsigned long long since_us;
    bool answered;
    struct request answer;  /* owned once it is answered */
    char refused[160];      /* why the answer was refused, in which case it is answered without an answer; else empty */
    struct job *given;      /* requests made within it, chained by `following` */
    pthread_cond_t arrived; /* for WAITER_THREAD */
    PyObject *future;       /* for WAITER_TASK, owned */
    struct invocation *next;
};

/* Gives the call its number. */
void invoke_table_add(struct invocation *call);

/* Requests that nobody ran within the call run like others. */
void invoke_table_remove(struct invocation *call);

/* The next request that was made within it; NULL where there is none. *answered: whether there is an answer. */
struct job *invoke_table_take_given(struct invocation *call, bool *answered);

/* An input_arrived (input.h): whether there is something to do for whoever waits for the call. */
bool invoke_table_has_arrived(void *call);

/* Waits for that, on a thread that is not the main one. */
void invoke_table_wait(struct invocation *call);

/* Calls of tasks: by its future, and one that is answered. NULL where there is none. */
struct invocation *invoke_table_find_task(const PyObject *future);
struct invocation *invoke_table_find_answered_task(void);

/* -- what the rest of the engine sees of them, from any thread, without the GIL -- */

/* The answer to a call; takes over what the request owns. False, and it stays the caller's, where nobody waits for it.
 */
bool invoke_table_answer(struct request *request);

/* The answer to the call of that id was refused: ends the call with an error of that text. False if nothing waits for
 * it. Allocates nothing. */
bool invoke_table_refuse(struct span id, const char *text);

/* A request that was made within a call: begins, to run where that waits. False, and it stays the caller's, where none
 * does. */
bool invoke_table_give(struct job *job);

/* One that was made within a call that a task awaits; NULL where there is none. */
struct job *invoke_table_take_for_task(void);

/* A stream may go on: threads that wait look whether it is theirs to do. */
void invoke_table_wake_threads(void);

/* How many calls wait. */
size_t invoke_table_count(void);

#endif
