/* Whose Python code runs: each request in flight is an object that a context variable (PEP 567) holds while its code
 * runs, so that tasks, and threads that hooks.py passes it on to, know whose they are. All functions need the GIL. */
#ifndef PYTHONX_OWNER_H
#define PYTHONX_OWNER_H

#include "flight.h"
#include "message.h"
#include "python.h"

/* Text that was written without a line end yet. */
struct owner_text {
    unsigned char *bytes;
    size_t length, capacity;
};

struct owner {
    PyObject_HEAD struct flight *flight; /* NULL once its reply is sent: what goes on then is nobody's */
    bool interruptible;                  /* its own code runs, and may be ended by an exception */
    struct run *run;                     /* of whoever carries it on, the loop or a stream; else NULL */
    struct owner_text text[2];           /* for stdout and stderr */
};

/* Adds the type and the variable to the module; 0, or -1 with an error set. */
int owner_start(PyObject *module);

/* New reference, or NULL with an error set. The flight stays the caller's, who calls owner_leave before it ends. */
struct owner *owner_new(struct flight *flight);
void owner_leave(struct owner *owner);

/* Makes it, or nobody (NULL), the owner of what this context runs from now on. -1 with an error set. */
int owner_enter(struct owner *owner);

/* The same for a while: returns the owner before, for owner_back, which goes back to it and takes the reference over.
 * Neither sets an error; the first clears one that is set, the second too. */
struct owner *owner_instead(struct owner *owner);
void owner_back(struct owner *before);

/* New reference to the owner of what runs, or NULL, with no error set, where that is nobody's. */
struct owner *owner_of_this(void);

/* Appends the id of the request, or nil. */
void owner_put_id(struct message *message, const struct owner *owner);

#endif
