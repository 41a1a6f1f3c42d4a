/* A request from its beginning to its reply, on the thread that has taken it, or, where its value is to be awaited or
 * iterated, to the loop (loop.h) or the streams (stream.h), which end it. With the GIL. */
#ifndef PYTHONX_SERVE_H
#define PYTHONX_SERVE_H

#include "flight.h"
#include "reply.h"

/* Runs the request and makes its reply; with none made (reply->flight is NULL) others will end it. What runs
 * from here on is nobody's. */
void serve_run(struct flight *flight, struct reply *reply);

/* The same in the midst of something else, which goes on as it was; and sends the reply. */
void serve_flight(struct flight *flight);

#endif
