/* Starts the port program: finds Python, loads it and the engine, and calls the engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "launcher/doctor.h"
#include "launcher/guard.h"
#include "launcher/interpreter.h"
#include "launcher/loader.h"
#include "launcher/lock.h"
#include "launcher/oom_score.h"
#include "launcher/options.h"
#include "launcher/terms.h"
#include "os/exit_status.h"

/* Above the client, which would be killed in place of the process whose memory it is. */
#define DEFAULT_OOM_SCORE 500

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

static bool limit_memory(unsigned long long bytes)
{
    struct rlimit limit = {.rlim_cur = (rlim_t)bytes, .rlim_max = (rlim_t)bytes};
    return bytes == 0 || setrlimit(RLIMIT_AS, &limit) == 0;
}

static bool set_oom_score(const struct options *options)
{
    if (options->has_oom_score)
        return oom_score_set(options->oom_score);
    oom_score_raise(DEFAULT_OOM_SCORE);
    return true;
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
    if (interpreter.problem != NULL) {
        fail(interpreter.problem);
        goto done;
    }
    engine = loader_engine_path();
    if (engine == NULL) {
        fail(
            "pythonx_engine.so is neither beside the program nor in ../lib/pythonx_port of it: run make, or reinstall");
        goto done;
    }
    if (!set_oom_score(options)) {
        perror("pythonx_port: --oom-score-adj");
        goto done;
    }
    if (!limit_memory(options->memory_limit)) {
        perror("pythonx_port: --memory-limit");
        goto done;
    }
    engine_main_function *engine_main = loader_load(interpreter.library, engine);
    if (engine_main != NULL) {
        options->engine.program = interpreter.program;
        status = engine_main(&options->engine);
    }
done:
    interpreter_free(&interpreter);
    free(engine);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    /* The arguments of these two are no options of ours. */
    if (argc == 3 && strcmp(argv[1], "lock") == 0)
        return lock_hold(argv[2]);
    if (argc >= 3 && strcmp(argv[1], "guard") == 0)
        return guard_run(argv + 2);
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
