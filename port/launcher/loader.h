/* Finds the files that belong to the launcher, and loads libpython and the engine into it. */
#ifndef PYTHONX_LOADER_H
#define PYTHONX_LOADER_H

#include "engine/engine.h"

/* Returns the path of a file that is installed with the launcher, beside it or in ../lib/pythonx_port, which the caller
 * must free; NULL if it is in neither, or memory is short. */
char *loader_file_path(const char *name);

/* Returns the path of pythonx_engine.so, likewise. */
char *loader_engine_path(void);

/* Returns the engine's entry, with the symbols of `libpython` loaded for it, or NULL after saying why on stderr. */
engine_main_function *loader_load(const char *libpython, const char *engine);

#endif
