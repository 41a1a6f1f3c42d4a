/* Finds the files that belong to the launcher, and loads libpython and the engine into it. */
#ifndef PYTHONX_LOADER_H
#define PYTHONX_LOADER_H

#include "engine/engine.h"

/* The path of a file that is installed with the launcher: beside it, or in ../lib/pythonx_port of it; to be freed. NULL
 * if it is in neither, or memory is short. */
char *loader_file_path(const char *name);

/* That of pythonx_engine.so. */
char *loader_engine_path(void);

/* Returns the engine's entry, with the symbols of `libpython` loaded for it, or NULL after saying why on stderr. */
engine_main_function *loader_load(const char *libpython, const char *engine);

#endif
