/* Runs a session, once its interpreter, host and engine are known. */
#ifndef PYTHONX_SERVE_H
#define PYTHONX_SERVE_H

#include "launcher/host.h"
#include "launcher/interpreter.h"
#include "launcher/options.h"

/* Serves in this process, or in its place by the interpreter's executable. Returns the exit status of the session, or
 * after a message on stderr that of a failure. Everything is borrowed. */
int serve_session(struct options *options, const struct interpreter *interpreter, enum host host, const char *engine);

#endif
