/* Runs a request on the main thread and writes its reply. */
#ifndef PYTHONX_RUN_H
#define PYTHONX_RUN_H

#include <stdbool.h>

#include "message.h"
#include "python.h"
#include "request.h"

/* Takes the session's namespace; 0, or -1 with an error set. */
int run_start(void);

/* With the GIL. True where *reply now holds a finished frame to send. Never leaves an error set. */
bool run_request(struct request *request, struct message *reply);

#endif
