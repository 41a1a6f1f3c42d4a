/* Runs a session in this process, once its interpreter and engine are known. */
#ifndef PYTHONX_SERVE_H
#define PYTHONX_SERVE_H

#include "launcher/interpreter.h"
#include "launcher/options.h"

/* Sets the OOM score and the limit of memory, loads libpython and the engine, and serves. Returns the exit status.
 * Everything is borrowed. */
int serve_session(struct options *options, const struct interpreter *interpreter, const char *engine);

#endif
