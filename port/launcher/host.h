/* Chooses the program that a session runs in: this one, which loads libpython, or the interpreter's own executable,
 * which is the faster of the two if it is built without a shared libpython. */
#ifndef PYTHONX_HOST_H
#define PYTHONX_HOST_H

#include <stdbool.h>

enum host {
    HOST_ANY, /* the executable, if it can be one */
    HOST_LIBRARY,
    HOST_EXECUTABLE,
};

/* What the launcher passes to the start hook, which takes it out of the environment before Python starts. */
#define HOST_VARIABLE_PROGRAM "PYTHONX_PORT_PROGRAM"   /* the interpreter as the user named it */
#define HOST_VARIABLE_ENGINE "PYTHONX_PORT_ENGINE"     /* the path of the engine */
#define HOST_VARIABLE_LAUNCHER "PYTHONX_PORT_LAUNCHER" /* a descriptor of the launcher's file; none: not known */
#define HOST_VARIABLE_PRELOAD "PYTHONX_PORT_PRELOAD"   /* what LD_PRELOAD was; none: not set */
#define HOST_PRELOAD "LD_PRELOAD"

/* Returns whether a session can run in the executable: it holds the interpreter, exports Python's API, and its start
 * can be hooked. */
bool host_is_executable(const char *path);

struct options;
struct interpreter;

/* Returns the host that a session will run in: HOST_LIBRARY or HOST_EXECUTABLE. If the one that the options ask for
 * cannot be, *problem says so, and is NULL otherwise. */
enum host host_choose(const struct options *options, const struct interpreter *interpreter, const char **problem);

/* Runs the session in the interpreter's executable, in place of this program. Returns only if that fails, after saying
 * why on stderr. */
void host_execute(const struct options *options, const struct interpreter *interpreter, const char *engine);

#endif
