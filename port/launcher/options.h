/* Reads the command line. */
#ifndef PYTHONX_OPTIONS_H
#define PYTHONX_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "engine/engine.h"
#include "launcher/host.h"

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
    enum host host;                  /* as the user wishes */
    unsigned long long memory_limit; /* bytes of address space; 0: none */
    bool has_oom_score;              /* whether the user gave one; else it is raised to the default */
    int oom_score;
    bool quiet;                   /* whether the client finds out by the doctor what is wrong with Python */
    char *const *arguments;       /* of the program, with its name */
    struct engine_options engine; /* its program and launcher are filled in once they are known */
};

/* Reads the arguments; everything in *options is borrowed from argv. Returns false, after a message on stderr, if they
 * are wrong. */
bool options_read(int argc, char **argv, struct options *options);

/* Returns the host of that name, HOST_ANY if there is none. */
enum host options_host(const char *name);

void options_print_help(FILE *out);

#endif
