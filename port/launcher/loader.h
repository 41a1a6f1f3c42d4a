/* Loading libpython and the engine into the launcher. */
#ifndef PYTHONX_LOADER_H
#define PYTHONX_LOADER_H

#include "engine/engine.h"

/* The path of pythonx_engine.so: beside the launcher, or in ../lib/pythonx_port of it; to be freed. NULL where it is in
 * neither, or memory is short. */
char *loader_engine_path(void);

/* The engine's entry, with the symbols of `libpython` in place for it. NULL: stderr tells why. */
engine_main_function *loader_load(const char *libpython, const char *engine);

#endif
