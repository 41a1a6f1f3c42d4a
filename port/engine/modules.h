/* The modules that the engine gives to Python: `erlang`, for everybody, and `_pythonx`, for the engine's own files. */
#ifndef PYTHONX_MODULES_H
#define PYTHONX_MODULES_H

/* Before Python starts: makes both importable. 0, or -1 where memory is short. */
int modules_announce(void);

#endif
