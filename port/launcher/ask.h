/* Running an interpreter to learn what its files do not tell. Costs a start of Python. */
#ifndef PYTHONX_ASK_H
#define PYTHONX_ASK_H

#include <stdbool.h>

struct ask_answer {
    char *text;             /* owns what the rest points into */
    const char *executable; /* sys.executable: behind a shim, the interpreter itself */
    const char *library;    /* path of the shared libpython, or "" */
    int major, minor;
    bool free_threaded;
};

/* NULL, and *answer is to be freed with ask_free; or a line, to be freed, that says what went wrong. */
char *ask_interpreter(const char *program, struct ask_answer *answer);
void ask_free(struct ask_answer *answer);

#endif
