/* Preloaded into an interpreter's executable, runs the engine in place of its main function (ld.so(8), LD_PRELOAD). The
 * executable exports the API that the engine needs, and Python is started by the engine, as it is with libpython. What
 * the launcher has set is taken out of the environment first, so that no child inherits it. */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "launcher/host.h"
#include "launcher/options.h"
#include "launcher/run_engine.h"
#include "os/exit_status.h"

#define NAME "pythonx_port"
#define DESCRIPTORS "/proc/self/fd/"

typedef int main_function(int argc, char **argv, char **environment);
typedef int start_function(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                           void (*rtld_fini)(void), void *stack_end);

/* Returns a copy of a variable that the launcher has set, and removes it. The process keeps the copies. */
static char *take_variable(const char *name)
{
    const char *value = getenv(name);
    char *copy = value == NULL ? NULL : strdup(value);
    unsetenv(name);
    return copy;
}

/* Reads the number of a descriptor at the end of the text, or returns -1. */
static int read_number(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    return end != text && *end == '\0' && number >= 0 && number <= INT_MAX ? (int)number : -1;
}

/* This file may have been named by a descriptor (launcher/host.c). */
static void close_own_file(void)
{
    static const char here = 0;
    Dl_info file;
    if (dladdr(&here, &file) != 0 && strncmp(file.dli_fname, DESCRIPTORS, strlen(DESCRIPTORS)) == 0)
        close(read_number(file.dli_fname + strlen(DESCRIPTORS)));
}

static void restore_preload(void)
{
    char *before = take_variable(HOST_VARIABLE_PRELOAD);
    if (before == NULL)
        unsetenv(HOST_PRELOAD);
    else
        setenv(HOST_PRELOAD, before, 1);
    free(before);
}

/* Returns how to run the launcher by its descriptor, which no child inherits; NULL if there is none. */
static char *take_launcher(void)
{
    char *number = take_variable(HOST_VARIABLE_LAUNCHER), *path = NULL;
    bool is_open = number != NULL && fcntl(read_number(number), F_SETFD, FD_CLOEXEC) == 0;
    if (is_open && asprintf(&path, "%s%s", DESCRIPTORS, number) < 0)
        path = NULL;
    free(number);
    return path;
}

static int run_session(int argc, char **argv, char **environment)
{
    struct options options;
    int status = EXIT_STATUS_USAGE;
    (void)environment;
    (void)prctl(PR_SET_NAME, NAME);
    char *program = take_variable(HOST_VARIABLE_PROGRAM), *engine = take_variable(HOST_VARIABLE_ENGINE);
    char *launcher = take_launcher();
    close_own_file();
    restore_preload();
    if (program == NULL || engine == NULL) {
        fputs("pythonx_port: out of memory\n", stderr);
        status = EXIT_STATUS_FAILURE;
        goto not_begun;
    }
    if (!options_read(argc, argv, &options))
        goto not_begun;
    /* Threads may use these two until the process has ended. */
    options.engine.program = program;
    options.engine.launcher = launcher;
    status = run_engine(&options, NULL, engine);
    free(engine);
    return status;
not_begun:
    free(program);
    free(engine);
    free(launcher);
    return status;
}

/* Every program calls this one of the C library, with its main function. */
__attribute__((visibility("default"))) start_function __libc_start_main;

int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end)
{
    start_function *start;
    void *symbol = dlsym(RTLD_NEXT, "__libc_start_main");
    if (symbol == NULL)
        abort();
    memcpy(&start, &symbol, sizeof start); /* C has no such cast: dlsym(3) */
    return start(getenv(HOST_VARIABLE_ENGINE) == NULL ? main : run_session, argc, argv, init, fini, rtld_fini,
                 stack_end);
}
