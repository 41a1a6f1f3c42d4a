/* Finds what a session would find, and loads it in a process of its own, so that a crash is detected and reported. */
#include "launcher/doctor.h"

#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/interpreter.h"
#include "launcher/loader.h"
#include "os/exit_status.h"
#include "os/platform.h"

static void print_row(FILE *out, const char *label, const char *value)
{
    fprintf(out, "%-12s %s\n", label, value);
}

static int print_verdict(FILE *out, const char *problem)
{
    if (problem == NULL)
        print_row(out, "verdict:", "all is well: sessions can start");
    else
        print_row(out, "problem:", problem);
    return problem == NULL ? EXIT_STATUS_OK : EXIT_STATUS_FAILURE;
}

/* Returns the name of the option or variable that decided for this interpreter. */
static const char *find_choice(const struct options *options)
{
    const char *environment = getenv("PYTHONX_PYTHON"), *venv = getenv("VIRTUAL_ENV");
    if (options->python != NULL)
        return "--python";
    if (environment != NULL && *environment != '\0')
        return "$PYTHONX_PYTHON";
    return venv != NULL && *venv != '\0' ? "$VIRTUAL_ENV" : "PATH";
}

/* Runs `program -c code` with its output on ours. Returns the exit status, or -1. */
static int run_python(const char *program, const char *code)
{
    pid_t pid;
    int status;
    if (program == NULL)
        return -1;
    char *const arguments[] = {strdup(program), strdup("-c"), strdup(code), NULL};
    bool whole = arguments[0] != NULL && arguments[1] != NULL && arguments[2] != NULL;
    bool started = whole && posix_spawn(&pid, program, NULL, NULL, arguments, environ) == 0;
    for (int i = 0; i < 3; i++)
        free(arguments[i]);
    if (!started)
        return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char describe_python[] = "import sys\n"
                                      "print('version:    ', sys.version.split()[0])\n"
                                      "print('prefix:     ', sys.prefix)\n"
                                      "try:\n"
                                      "    import numpy\n"
                                      "    print('numpy:      ', numpy.__version__)\n"
                                      "except Exception as error:\n"
                                      "    print('numpy:       none (%s)' % error)\n";

static bool can_load(const struct interpreter *interpreter, const char *engine)
{
    pid_t child = fork();
    if (child == 0)
        _exit(loader_load(interpreter->library, engine) == NULL ? 1 : 0);
    int status;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int doctor_run(const struct options *options, FILE *out)
{
    struct interpreter interpreter;
    char *engine = loader_engine_path();
    int status;
    print_row(out, "launcher:", "pythonx_port " PYTHONX_PORT_VERSION);
    print_row(out, "engine:", engine == NULL ? "none" : engine);
    if (!interpreter_find(options->python, &interpreter)) {
        status = print_verdict(out, "out of memory");
        goto done;
    }
    print_row(out, "chosen by:", find_choice(options));
    print_row(out, "python:", interpreter.program == NULL ? "none" : interpreter.program);
    print_row(out, "libpython:", interpreter.library == NULL ? "none" : interpreter.library);
    fflush(out);
    if (interpreter.problem != NULL)
        status = print_verdict(out, interpreter.problem);
    else if (engine == NULL)
        status = print_verdict(out, "the engine is missing: run make, or reinstall");
    else if (run_python(interpreter.program, describe_python) != 0)
        status = print_verdict(out, "the interpreter does not run a simple script");
    else if (!can_load(&interpreter, engine))
        status = print_verdict(out, "libpython or the engine cannot be loaded: see above");
    else
        status = print_verdict(out, NULL);
done:
    interpreter_free(&interpreter);
    free(engine);
    return status;
}
