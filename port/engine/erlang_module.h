/* Makes the modules that Python code can import from the engine: `erlang`, for all code, and `_pythonx`, for the
 * engine's own files. */
#ifndef PYTHONX_ERLANG_MODULE_H
#define PYTHONX_ERLANG_MODULE_H

/* Makes both importable. Must be called before Python starts. Returns 0, or -1 if memory is short. */
int erlang_module_announce(void);

#endif
