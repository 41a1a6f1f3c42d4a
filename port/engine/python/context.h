/* Finds the request that the running code belongs to. Each request that has begun is a Python object, its context,
 * which a context variable (PEP 567) holds while the request's code runs, so that its tasks belong to it as well, and
 * its threads, to which import_hooks.py passes it on. Code in a context without the variable
 * (contextvars.Context().run, a greenlet) belongs to the job that its thread runs. All functions need the GIL. */
#ifndef PYTHONX_CONTEXT_H
#define PYTHONX_CONTEXT_H

#include "python/py_api.h"
#include "queue/job.h"
#include "wire/message.h"

/* The position of code, for tracebacks. */
struct source_place {
    PyObject *file; /* str, owned, or NULL: a name is made up */
    long line;      /* of the first line, from 1; ignored without a file */
};

/* The option map of a request (exec/request_options). */
struct request_options {
    struct span bindings; /* the map's term, or empty */
    struct span captured; /* the same, of the client's variables */
    bool bytes;           /* binaries => bytes */
    size_t segments;      /* results of this many bytes or more through shared memory; 0: none */
    size_t max_result;    /* the most bytes of a result or item; 0: as many as the session allows */
    bool segment_ids;     /* with device and inode of their files */
    size_t batch;         /* the most items that a stream sends at once; 0: each on its own */
    bool timing;          /* report how long the request waited and ran */
    enum { RETURN_VALUE, RETURN_REF, RETURN_RICH } returns;
    PyObject *types; /* owned, or NULL: the named types (codec/typed.h) */
    struct source_place place;
};

/* The stage in which a request failed, which decides the kind of the error reply. */
enum context_stage { STAGE_DECODE, STAGE_COMPILE, STAGE_CODE, STAGE_ENCODE };

/* Text that was written without a line end so far. */
struct context_text {
    unsigned char *bytes;
    size_t length, capacity;
};

struct context {
    PyObject_HEAD struct job
        *job;       /* NULL once its reply is built: code that goes on after that belongs to no request */
    bool abortable; /* its own code runs: an exception may end it */
    enum context_stage stage;
    struct span arguments; /* of the job's request, those not yet decoded */
    struct request_options options;
    struct context_text text[2]; /* for stdout and stderr */
};

/* Adds the variable to the module. Returns 0, or -1 with an error set. */
int context_start(PyObject *module);

/* Returns a new reference, or NULL with an error set. The job stays the caller's, who must call context_detach before
 * it ends. */
struct context *context_new(struct job *job);
void context_detach(struct context *context);

/* Makes the context, or none (NULL), the current one of the calling thread. Returns 0, or -1 with an error set. */
int context_enter(struct context *context);

/* Makes the context the current one for a while. Returns the context before, for context_restore, which makes it
 * current again and takes the reference over. Neither sets an error; both clear an error that is set. */
struct context *context_switch(struct context *context);
void context_restore(struct context *before);

/* Returns a new reference to the context of the running code, or NULL, with no error set, if that belongs to no
 * request. */
struct context *context_current(void);

/* Returns a new reference to the context of the running task, or NULL, for code in the event loop without a context of
 * its own. Set while the loop runs, else NULL. */
extern struct context *(*context_of_task)(void);

/* Appends the id of the request, or nil if the context is NULL. */
void context_put_id(struct message *message, const struct context *context);

#endif
