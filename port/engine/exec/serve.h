/* A request from its beginning to its reply, on the thread that has taken it, or, where its value is to be awaited or
 * iterated, to the loop (loop.h) or the streams (stream.h), which end it. With the GIL. */
#ifndef PYTHONX_SERVE_H
#define PYTHONX_SERVE_H

#include "exec/reply.h"
#include "queue/job.h"

/* Runs the request and makes its reply; with none made (reply->job is NULL) others will end it. What runs
 * from here on is nobody's. */
void serve_run(struct job *job, struct reply *reply);

/* The same in the midst of something else, which goes on as it was; and sends the reply. */
void serve_flight(struct job *job);

#endif
