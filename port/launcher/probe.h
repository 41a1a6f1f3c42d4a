/* Runs an interpreter to find out what its files do not say. This costs a start of Python. */
#ifndef PYTHONX_PROBE_H
#define PYTHONX_PROBE_H

#include <stdbool.h>

struct probe_answer {
    char *text;             /* owns what the rest points into */
    const char *executable; /* sys.executable: behind a shim, the interpreter itself */
    const char *library;    /* path of the shared libpython, or "" */
    int major, minor;
    bool free_threaded;
};

/* Returns NULL if *answer is filled in, which the caller must free with probe_free; else a line that describes what
 * went wrong, which the caller must free. */
char *probe_interpreter(const char *program, struct probe_answer *answer);
void probe_free(struct probe_answer *answer);

#endif
