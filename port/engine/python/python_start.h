/* Starts the interpreter. */
#ifndef PYTHONX_PYTHON_START_H
#define PYTHONX_PYTHON_START_H

/* `program` becomes sys.executable. 0, or -1 if memory is short; Python itself ends the process if it cannot start. */
int python_start(const char *program);

/* "3.11.2" of "3.11.2 (main, …) [GCC …]"; made once, kept for good. */
const char *python_version(void);

#endif
