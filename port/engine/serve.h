/* A request from its beginning to its reply, on the thread that has taken it, or, where its value is to be awaited or
 * iterated, to the loop (loop.h) or the streams (stream.h), which end it. */
#ifndef PYTHONX_SERVE_H
#define PYTHONX_SERVE_H

#include <stdbool.h>

#include "flight.h"
#include "message.h"
#include "python.h"
#include "run.h"
#include "writer.h"

/* The writer is borrowed for good. */
void serve_start(struct writer *writer);

/* What is left to do once a request has run. All-zero before the first; may be used again and again. */
struct served {
    struct flight *flight; /* owned; NULL: nothing is left, others will end the request */
    struct message reply;
    bool replies, timing;
};

/* The three steps of a main thread that gives the GIL up as soon as it can: runs the request; sends its reply; frees
 * what it used. `serve_sent` needs the GIL where serve_holds_objects. */
void serve_run(struct flight *flight, struct served *served); /* with the GIL */
void serve_send(struct served *served);                       /* without */
bool serve_holds_objects(const struct served *served);
void serve_sent(struct served *served);

/* All of them, with the GIL. */
void serve_flight(struct flight *flight);

/* The end of a request that others carried on: as run_reply, then the sending. Takes the value and the reference to
 * run->owner over. With the GIL. */
void serve_end(struct run *run, PyObject *value);

/* Answers a request that never ran, because of its verdict, and frees it. Without the GIL, from any thread. */
void serve_verdict(struct flight *flight);

#endif
