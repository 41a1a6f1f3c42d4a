/* Says which request the code that runs belongs to. Each request that has begun is a Python object, its context, which
 * a context variable (PEP 567) holds while the request's code runs, so that tasks, and threads that import_hooks.py
 * passes it on to, belong to it as well. Code in a context without it (contextvars.Context().run, a greenlet) belongs
 * to what its thread runs. All functions need the GIL. */
#ifndef PYTHONX_CONTEXT_H
#define PYTHONX_CONTEXT_H

#include "python/py_api.h"
#include "queue/job.h"
#include "wire/message.h"

/* Where code stands, for tracebacks. */
struct source_place {
    PyObject *file; /* str, owned, or NULL: a name is made up */
    long line;      /* of the first line, from 1; ignored without a file */
};

/* The option map of a request (exec/request_options). */
struct request_options {
    struct span bindings; /* the map's term, or empty */
    bool bytes;           /* binaries => bytes */
    size_t segments;      /* results of this many bytes or more through shared memory; 0: none */
    size_t batch;         /* a stream's items come so many at once at most; 0: each on its own */
    bool timing;          /* report how long the request waited and ran */
    bool return_ref;      /* return => ref */
    struct source_place place;
};

/* Which part of a request failed decides the kind of the error reply. */
enum context_stage { STAGE_DECODE, STAGE_COMPILE, STAGE_CODE, STAGE_ENCODE };

/* Text that was written without a line end yet. */
struct context_text {
    unsigned char *bytes;
    size_t length, capacity;
};

struct context {
    PyObject_HEAD struct job *job; /* NULL once its reply is made: what goes on then belongs to no request */
    bool abortable;                /* its own code runs, and may be ended by an exception */
    enum context_stage stage;
    struct span arguments; /* of the job's request, those not yet decoded */
    struct request_options options;
    struct context_text text[2]; /* for stdout and stderr */
};

/* Adds the variable to the module; 0, or -1 with an error set. */
int context_start(PyObject *module);

/* New reference, or NULL with an error set. The job stays the caller's, who calls context_detach before it ends. */
struct context *context_new(struct job *job);
void context_detach(struct context *context);

/* Makes it, or none (NULL), the context of what the calling thread runs from now on. -1 with an error set. */
int context_enter(struct context *context);

/* The same for a while: returns the context before, for context_restore, which goes back to it and takes the reference
 * over. Neither sets an error; both clear one that is set. */
struct context *context_switch(struct context *context);
void context_restore(struct context *before);

/* New reference to the context of the code that runs, or NULL, with no error set, if that belongs to no request. */
struct context *context_current(void);

/* For code in the event loop without a context of its own: what returns a new reference to that of the task that runs,
 * or NULL. Set while the loop runs, else NULL. */
extern struct context *(*context_of_task)(void);

/* Appends the id of the request, or nil. */
void context_put_id(struct message *message, const struct context *context);

#endif
