/* Writes Python's traceback into a file when a fatal signal ends the process; the file is created only then. */
#ifndef PYTHONX_CRASH_HANDLER_H
#define PYTHONX_CRASH_HANDLER_H

#include <stdbool.h>

/* Must be called before faulthandler.enable. The traceback goes to `path` (NULL: stderr), which must stay valid until
 * the process ends. */
bool crash_handler_prepare(const char *path);

/* Returns the descriptor that faulthandler must write to. */
int crash_handler_descriptor(void);

/* Must be called after faulthandler.enable: installs its handlers in front of those of faulthandler. */
bool crash_handler_guard(void);

#endif
