/* Loading libpython and the engine into the launcher. */
#ifndef PYTHONX_LIBRARY_H
#define PYTHONX_LIBRARY_H

#include "engine_api.h"

/* The path of pythonx_engine.so: beside the launcher, or in ../lib/pythonx_port of it; to be freed. NULL where it is in
 * neither, or memory is short. */
char *library_engine_path(void);

/* The engine's entry, with the symbols of `libpython` in place for it. NULL: stderr tells why. */
engine_main_function *library_load(const char *libpython, const char *engine);

#endif
