/* Writes Python's traceback into a file when a fatal signal ends the process; the file is made only then. */
#ifndef PYTHONX_CRASH_HANDLER_H
#define PYTHONX_CRASH_HANDLER_H

#include <stdbool.h>

/* Before faulthandler.enable. `path` (borrowed for good; NULL: stderr) is where the traceback goes. */
bool crash_handler_prepare(const char *path);

/* The descriptor for faulthandler to write to. */
int crash_handler_descriptor(void);

/* After faulthandler.enable: takes its place in front of faulthandler's handlers. */
bool crash_handler_guard(void);

#endif
