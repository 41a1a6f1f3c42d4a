/* Finds the interpreter to run, and the files of it that a session can run in. */
#ifndef PYTHONX_INTERPRETER_H
#define PYTHONX_INTERPRETER_H

#include <stdbool.h>

struct interpreter {
    char *program;    /* absolute path of the interpreter, inside its venv if it has one; becomes sys.executable */
    char *library;    /* absolute path of its shared libpython; NULL if it has none */
    char *executable; /* absolute path of the file of its program, if a session can run in it (host.h); else NULL */
    int minor;        /* 11 for Python 3.11; 0 if not known */
    bool asked;       /* the interpreter itself was run to find out */
    char *problem;    /* what is wrong and how to repair it, in one line; NULL if it can be used */
};

/* Finds the interpreter for `python` (NULL: the environment decides). Returns false if memory is short; else *found is
 * filled in, with its problem if it has one. The caller must free it with interpreter_free in either case. */
bool interpreter_find(const char *python, struct interpreter *found);
void interpreter_free(struct interpreter *interpreter);

/* Returns the path of the program of that name on PATH, which the caller frees, or NULL with errno. */
char *interpreter_on_path(const char *name);

#endif
