/* Reads the command line. */
#ifndef PYTHONX_OPTIONS_H
#define PYTHONX_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/engine.h"

enum command {
    COMMAND_SERVE,
    COMMAND_ENCODE,
    COMMAND_DECODE,
    COMMAND_DOCTOR,
    COMMAND_HELP,
    COMMAND_VERSION,
};

struct options {
    enum command command;
    const char *python;              /* as the user named it, or NULL */
    unsigned long long memory_limit; /* bytes of address space; 0: none */
    bool has_oom_score;              /* whether the user gave one; else it is raised to the default */
    int oom_score;
    bool quiet;                   /* whether the client finds out by the doctor what is wrong with Python */
    struct engine_options engine; /* its program is filled in once the interpreter is found */
};

/* Reads the arguments; everything in *options is borrowed from argv. Returns false, after a message on stderr, if they
 * are wrong. */
bool options_read(int argc, char **argv, struct options *options);

void options_print_help(FILE *out);

#endif
