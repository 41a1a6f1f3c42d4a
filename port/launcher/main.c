/* Starts the port program: finds Python, loads it and the engine, and calls the engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/children.h"
#include "launcher/doctor.h"
#include "launcher/guard.h"
#include "launcher/host.h"
#include "launcher/interpreter.h"
#include "launcher/lock.h"
#include "launcher/options.h"
#include "launcher/own_files.h"
#include "launcher/serve.h"
#include "launcher/terms.h"
#include "os/exit_status.h"

static int fail(const char *what)
{
    fprintf(stderr, "pythonx_port: %s\n", what);
    return EXIT_STATUS_FAILURE;
}

/* A person who typed the command expects a help text: frames cannot be typed. */
static bool is_at_terminal(const struct options *options)
{
    return isatty(options->engine.input_fd) || isatty(options->engine.output_fd);
}

static int explain(void)
{
    fputs("pythonx_port speaks frames of Erlang terms, and this is a terminal.\n\n", stderr);
    options_print_help(stderr);
    return EXIT_STATUS_USAGE;
}

static int serve(struct options *options)
{
    struct interpreter interpreter;
    char *engine = NULL;
    int status = EXIT_STATUS_FAILURE;
    if (is_at_terminal(options))
        return explain();
    if (!interpreter_find(options->python, &interpreter)) {
        fail("out of memory");
        goto done;
    }
    engine = own_files_engine();
    if (engine == NULL && interpreter.problem == NULL) {
        fail(
            "pythonx_engine.so is neither beside the program nor in ../lib/pythonx_port of it: run make, or reinstall");
        goto done;
    }
    const char *problem;
    enum host host = host_choose(options, &interpreter, &problem);
    if (interpreter.problem != NULL)
        problem = interpreter.problem;
    if (problem != NULL) {
        if (!options->quiet)
            fail(problem);
        goto done;
    }
    status = serve_session(options, &interpreter, host, engine);
done:
    interpreter_free(&interpreter);
    free(engine);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    /* The arguments of these are no options of ours. The last one is the engine's alone. */
    if (argc == 3 && strcmp(argv[1], "lock") == 0)
        return lock_hold(argv[2]);
    if (argc >= 3 && strcmp(argv[1], "guard") == 0)
        return guard_run(argv + 2);
    if (argc >= 3 && strcmp(argv[1], "children") == 0)
        return children_guard(argv + 2);
    if (!options_read(argc, argv, &options))
        return EXIT_STATUS_USAGE;
    switch (options.command) {
    case COMMAND_SERVE:
        return serve(&options);
    case COMMAND_ENCODE:
        return terms_run("encode");
    case COMMAND_DECODE:
        return terms_run("decode");
    case COMMAND_DOCTOR:
        return doctor_run(&options, stdout);
    case COMMAND_HELP:
        options_print_help(stdout);
        return EXIT_STATUS_OK;
    case COMMAND_VERSION:
        puts("pythonx_port " PYTHONX_PORT_VERSION);
        return EXIT_STATUS_OK;
    }
    return EXIT_STATUS_USAGE;
}
