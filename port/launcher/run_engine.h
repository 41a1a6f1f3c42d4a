/* Runs the engine in this process, which is the launcher's or the interpreter's own. */
#ifndef PYTHONX_RUN_ENGINE_H
#define PYTHONX_RUN_ENGINE_H

#include "launcher/options.h"

/* Sets the OOM score and the limit of memory, loads libpython (`library`; NULL if this process has Python's API
 * already) and the engine, and serves. Returns the exit status. Everything is borrowed. */
int run_engine(struct options *options, const char *library, const char *engine);

#endif
