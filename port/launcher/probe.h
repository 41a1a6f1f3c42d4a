/* Running an interpreter to learn what its files do not tell. Costs a start of Python. */
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

/* NULL, and *answer is to be freed with probe_free; or a line, to be freed, that says what went wrong. */
char *probe_interpreter(const char *program, struct probe_answer *answer);
void probe_free(struct probe_answer *answer);

#endif
