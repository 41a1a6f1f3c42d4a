/* Finds what a session would find, and starts one in a process of its own, so that a crash is detected and reported. */
#include "launcher/doctor.h"

#include <stdbool.h>
#include <stdlib.h>

#include "launcher/host.h"
#include "launcher/interpreter.h"
#include "launcher/own_files.h"
#include "launcher/trial.h"
#include "os/exit_status.h"

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

static const char describe_python[] = "import sys\n"
                                      "print('version:    ', sys.version.split()[0])\n"
                                      "print('prefix:     ', sys.prefix)\n"
                                      "try:\n"
                                      "    import numpy\n"
                                      "    print('numpy:      ', numpy.__version__)\n"
                                      "except Exception as error:\n"
                                      "    print('numpy:       none (%s)' % error)\n";

/* Describes the interpreter by its own words. Returns what is wrong with it, or NULL. */
static const char *examine_python(const char *program)
{
    bool well = trial_run(program, (const char *const[]){"-c", describe_python, NULL}) == 0;
    return well ? NULL : "the interpreter does not run a simple script: see above";
}

int doctor_run(const struct options *options, FILE *out)
{
    struct interpreter interpreter;
    char *engine = own_files_engine();
    const char *problem = NULL;
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
    enum host host = host_choose(options, &interpreter, &problem);
    print_row(out, "host:", host == HOST_EXECUTABLE ? "executable" : "library");
    fflush(out);
    if (interpreter.problem != NULL) {
        problem = interpreter.problem;
    } else if (engine == NULL) {
        problem = "the engine is missing: run make, or reinstall";
    } else if (problem == NULL) {
        problem = examine_python(interpreter.program);
        if (problem == NULL)
            problem = trial_session(options, &interpreter, host, engine);
    }
    status = print_verdict(out, problem);
done:
    interpreter_free(&interpreter);
    free(engine);
    return status;
}
