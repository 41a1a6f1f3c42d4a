/* Which Python, and which libpython belongs to it. */
#ifndef PYTHONX_INTERPRETER_H
#define PYTHONX_INTERPRETER_H

#include <stdbool.h>

struct interpreter {
    char *program; /* absolute path of the interpreter, inside its venv if it has one; becomes sys.executable */
    char *library; /* absolute path of its shared libpython; NULL where it has none */
    int minor;     /* 11 for Python 3.11; 0 where not known */
    bool asked;    /* the interpreter itself was run to find out */
    char *problem; /* what is wrong and what to do, in one line; NULL where it can be used */
};

/* Finds the interpreter for `python` (NULL: the environment decides). False where memory is short; else *found tells,
 * its problem included. All of it is to be freed with interpreter_free either way. */
bool interpreter_find(const char *python, struct interpreter *found);
void interpreter_free(struct interpreter *interpreter);

/* The program of that name on PATH, to be freed; NULL with errno. */
char *interpreter_on_path(const char *name);

#endif
