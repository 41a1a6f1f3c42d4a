/* Tries whether a session starts, in a process of its own, for the doctor. */
#ifndef PYTHONX_TRIAL_H
#define PYTHONX_TRIAL_H

#include "launcher/host.h"
#include "launcher/interpreter.h"
#include "launcher/options.h"

/* Starts a session, which writes what goes wrong to stderr, and ends it. Returns NULL if it became ready, or what is
 * wrong, valid until the next call. */
const char *trial_session(const struct options *options, const struct interpreter *interpreter, enum host host,
                          const char *engine);

/* Runs the program with these arguments, up to the first NULL and at most 6 of them. Returns its exit status; -1 if it
 * could not be run, does not end within 30 seconds, or was killed. */
int trial_run(const char *program, const char *const *arguments);

#endif
