/* What a request says, from its arguments to its value, and from its value to its reply. */
#ifndef PYTHONX_EXECUTE_H
#define PYTHONX_EXECUTE_H

#include <stdbool.h>

#include "exec/request_options.h"
#include "python/context.h"
#include "python/py_api.h"
#include "wire/message.h"
#include "wire/request.h"

/* Which of them failed decides the kind of the error reply. */
enum run_stage { RUN_DECODE, RUN_COMPILE, RUN_CODE, RUN_ENCODE };

struct run {
    struct request *request; /* of the owner's job */
    struct context *owner;   /* borrowed: whoever runs it holds it */
    struct span span;        /* the arguments not yet decoded */
    struct request_options options;
    enum run_stage stage;
};

/* Takes the session's namespace; 0, or -1 with an error set. */
int run_start(void);

/* All that follows needs the GIL. A run is begun, brings its value, and is ended by run_reply. */
struct run run_begin(struct context *owner);

/* New reference to the request's value, which may be an awaitable or, of a stream, an iterable; NULL with an error set.
 */
PyObject *run_value(struct run *run);

/* Writes the reply: with the value, whose reference is taken over, or, where that is NULL, for the error set. True
 * where *reply now holds a finished frame to send. Never leaves an error set. */
bool run_reply(struct run *run, PyObject *value, struct message *reply);

/* Appends one value of a stream, as the request's options say; -1 with an error set. */
int run_put_item(struct run *run, PyObject *item, struct message *message);

#endif
