/* Starts the interpreter. */
#ifndef PYTHONX_PYTHON_START_H
#define PYTHONX_PYTHON_START_H

/* Starts Python; `program` becomes sys.executable. Returns 0, or -1 if memory is short; Python itself ends the process
 * if it cannot start. */
int python_start(const char *program);

/* Returns "3.11.2" of "3.11.2 (main, …) [GCC …]"; made once, kept until the process ends. */
const char *python_version(void);

#endif
