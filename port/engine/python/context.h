/* Whose Python code runs: each request in job is an object that a context variable (PEP 567) holds while its code
 * runs, so that tasks, and threads that hooks.py passes it on to, know whose they are. All functions need the GIL. */
#ifndef PYTHONX_CONTEXT_H
#define PYTHONX_CONTEXT_H

#include "python/py_api.h"
#include "queue/job.h"
#include "wire/message.h"

/* Text that was written without a line end yet. */
struct context_text {
    unsigned char *bytes;
    size_t length, capacity;
};

struct context {
    PyObject_HEAD struct job *job; /* NULL once its reply is sent: what goes on then is nobody's */
    bool interruptible;            /* its own code runs, and may be ended by an exception */
    struct run *run;               /* of whoever carries it on, the loop or a stream; else NULL */
    struct context_text text[2];   /* for stdout and stderr */
};

/* Adds the type and the variable to the module; 0, or -1 with an error set. */
int context_start(PyObject *module);

/* New reference, or NULL with an error set. The job stays the caller's, who calls context_leave before it ends. */
struct context *context_new(struct job *job);
void context_leave(struct context *owner);

/* Makes it, or nobody (NULL), the owner of what this context runs from now on. -1 with an error set. */
int context_enter(struct context *owner);

/* The same for a while: returns the owner before, for context_restore, which goes back to it and takes the reference
 * over. Neither sets an error; the first clears one that is set, the second too. */
struct context *context_switch(struct context *owner);
void context_restore(struct context *before);

/* New reference to the owner of what runs, or NULL, with no error set, where that is nobody's. */
struct context *context_current(void);

/* Appends the id of the request, or nil. */
void context_put_id(struct message *message, const struct context *owner);

#endif
