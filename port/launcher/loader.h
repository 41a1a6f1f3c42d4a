/* Loads libpython and the engine into the launcher. */
#ifndef PYTHONX_LOADER_H
#define PYTHONX_LOADER_H

#include "engine/engine.h"

/* Returns the path of pythonx_engine.so, beside the launcher or in ../lib/pythonx_port, which the caller frees; NULL if
 * it is in neither, or memory is short. */
char *loader_engine_path(void);

/* Returns the engine's entry, with the symbols of `libpython` loaded for it, or NULL after saying why on stderr. */
engine_main_function *loader_load(const char *libpython, const char *engine);

#endif
