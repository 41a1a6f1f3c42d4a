/* The modules that the engine gives to Python: `erlang`, for everybody, and `_pythonx`, for the engine's own files. */
#ifndef PYTHONX_ERLANG_MODULE_H
#define PYTHONX_ERLANG_MODULE_H

/* Before Python starts: makes both importable. 0, or -1 where memory is short. */
int erlang_module_announce(void);

#endif
