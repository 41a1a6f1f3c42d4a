/* Finds erl and the script, and replaces the process by them, without a shell, a node name or a configuration. */
#include "launcher/terms.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/feed.h"
#include "launcher/interpreter.h"
#include "launcher/own_files.h"
#include "os/exit_status.h"

#define SCRIPT_FILE "pythonx_terms.escript"

static void complain(const char *command, const char *what, const char *more)
{
    fprintf(stderr, "pythonx_port %s: %s%s\n", command, what, more);
}

/* -- which erl ---------------------------------------------------------------------------------------------------- */

static char *join(const char *directory, const char *name)
{
    char *path;
    return asprintf(&path, "%s%s", directory, name) < 0 ? NULL : path;
}

/* Returns the erl of the release that started this process: each erl exports these two variables. */
static char *erl_of_release(void)
{
    static const struct {
        const char *variable, *name;
    } places[] = {{"BINDIR", "/erl"}, {"ROOTDIR", "/bin/erl"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *directory = getenv(places[i].variable);
        char *path = directory == NULL ? NULL : join(directory, places[i].name);
        if (path != NULL && access(path, X_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

/* Returns the path of erl, which the caller must free; NULL if there is none. */
static char *find_erl(void)
{
    const char *wanted = getenv("ERL");
    if (wanted != NULL && *wanted != '\0')
        return strchr(wanted, '/') == NULL ? interpreter_on_path(wanted) : strdup(wanted);
    char *found = interpreter_on_path("erl");
    return found == NULL ? erl_of_release() : found;
}

/* -- how it boots ------------------------------------------------------------------------------------------------- */

struct boot {
    char *script;    /* for -boot, without its suffix */
    char *libraries; /* RELEASE_LIB in the boot script of a release */
};

static bool exists(const char *directory, const char *name)
{
    char *path = join(directory, name);
    bool found = path != NULL && access(path, R_OK) == 0;
    free(path);
    return found;
}

/* A release that Mix made has no boot script at the place where erl expects one, but one for each of its versions. Any
 * of them works: it only starts kernel and stdlib. */
static char *find_release_boot(const char *root)
{
    glob_t found = {0};
    char *script = NULL, *pattern = join(root, "/releases/*/start_clean.boot");
    if (pattern != NULL && glob(pattern, 0, NULL, &found) == 0) {
        const char *last = found.gl_pathv[found.gl_pathc - 1];
        script = strndup(last, strlen(last) - strlen(".boot"));
    }
    globfree(&found);
    free(pattern);
    return script;
}

/* Returns false if memory is short. */
static bool find_boot(const char *erl, struct boot *boot)
{
    char *root = realpath(erl, NULL);
    for (int levels = 0; root != NULL && levels < 3; levels++) {
        char *slash = strrchr(root, '/');
        if (slash != NULL)
            *slash = '\0';
    }
    *boot = (struct boot){0};
    if (root != NULL && !exists(root, "/bin/no_dot_erlang.boot"))
        boot->script = find_release_boot(root);
    if (boot->script == NULL)
        boot->script = strdup("no_dot_erlang");
    boot->libraries = join(root == NULL ? "" : root, "/lib");
    free(root);
    return boot->script != NULL && boot->libraries != NULL;
}

static void boot_free(struct boot *boot)
{
    free(boot->script);
    free(boot->libraries);
}

/* -- starting it -------------------------------------------------------------------------------------------------- */

/* Removes settings that are meant for the user's own nodes, such as a name, which only one node can have. */
static void clean_environment(void)
{
    unsetenv("ERL_FLAGS");
    unsetenv("ERL_AFLAGS");
    unsetenv("ERL_ZFLAGS");
    /* No dump if memory runs out. */
    setenv("ERL_CRASH_DUMP_SECONDS", "0", 0);
}

/* Prepares descriptors whose reads and writes wait, as the script expects. A closed one is opened here, before the
 * emulator opens a file of its own under its number: a read of it returns the end, and a write fails. */
static void prepare_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 && open("/dev/null", O_RDONLY) < 0)
            return;
        if (flags >= 0 && (flags & O_NONBLOCK) != 0)
            fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    }
}

/* Replaces the process; returns only if that fails, with errno. One scheduler starts faster than many. Logs would go to
 * standard output. */
static void start(const char *erl, const struct boot *boot, const char *script, const char *command)
{
    clean_environment();
    prepare_descriptors();
    /* Erlang reads a file until it has as many bytes as were requested: text would come too late. */
    if (strcmp(command, "encode") == 0 && !feed_stdin("pythonx_port encode"))
        return;
    execl(erl, "erl", "-noinput", "-boot", boot->script, "-boot_var", "RELEASE_LIB", boot->libraries, "+S", "1:1",
          "+Bd", "+pc", "unicode", "-kernel", "logger_level", "none", "-run", "escript", "start", "-extra", script,
          command, (char *)NULL);
}

int terms_run(const char *command)
{
    struct boot boot = {0};
    const char *wanted = getenv("ERL");
    char *erl = find_erl(), *script = own_files_path(SCRIPT_FILE);
    if (erl == NULL && wanted != NULL && *wanted != '\0') {
        complain(command, "$ERL is not on PATH: ", wanted);
    } else if (erl == NULL) {
        complain(command, "erl was not found on PATH: install Erlang, or set $ERL to the path of erl", "");
    } else if (script == NULL) {
        complain(command, SCRIPT_FILE, " is missing: run make, or reinstall");
    } else if (!find_boot(erl, &boot)) {
        complain(command, "out of memory", "");
    } else {
        start(erl, &boot, script, command);
        fprintf(stderr, "pythonx_port %s: %s could not be run: %s\n", command, erl, strerror(errno));
    }
    boot_free(&boot);
    free(script);
    free(erl);
    return EXIT_STATUS_FAILURE;
}
