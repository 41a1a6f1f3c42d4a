/* The executable runs with a start hook preloaded (host/start_hook.c), which calls the engine in place of the
 * executable's main function. Its arguments are those of the launcher, so that it reads the same options. */
#include "launcher/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/elf.h"
#include "launcher/interpreter.h"
#include "launcher/options.h"
#include "launcher/own_files.h"

#define HOOK_FILE "pythonx_host.so"
/* Descriptors that the executable inherits are above those that a client may have closed. */
#define FIRST_INHERITED 16

#define NO_EXECUTABLE                                                                                                  \
    "the host shall be the executable, but the interpreter's own does not export Python's API: leave --host out"
#define NO_LIBRARY "the host shall be the library, but the interpreter has no shared libpython: leave --host out"
#define NO_HOOK HOOK_FILE " is neither beside the program nor in ../lib/pythonx_port of it: run make, or reinstall"
#define NO_SUCH_HOST "PYTHONX_HOST is neither library nor executable"

bool host_is_executable(const char *path)
{
    static const char *const names[] = {"Py_InitializeEx", "__libc_start_main"};
    enum elf_symbol found[2];
    elf_find_symbols(path, names, found, 2);
    return found[0] == ELF_SYMBOL_DEFINED && found[1] == ELF_SYMBOL_UNDEFINED;
}

/* -- the choice --------------------------------------------------------------------------------------------------- */

static bool is_complete(void)
{
    char *hook = own_files_path(HOOK_FILE);
    free(hook);
    return hook != NULL;
}

/* Returns the wish of the options, or of the environment. */
static enum host find_wish(const struct options *options, const char **problem)
{
    const char *name = getenv("PYTHONX_HOST");
    if (options->host != HOST_ANY || name == NULL || *name == '\0')
        return options->host;
    enum host host = options_host(name);
    if (host == HOST_ANY)
        *problem = NO_SUCH_HOST;
    return host;
}

enum host host_choose(const struct options *options, const struct interpreter *interpreter, const char **problem)
{
    bool has_executable = interpreter->executable != NULL, has_library = interpreter->library != NULL;
    bool complete = has_executable && is_complete();
    *problem = NULL;
    enum host host = find_wish(options, problem);
    if (host == HOST_ANY)
        host = has_executable && (complete || !has_library) ? HOST_EXECUTABLE : HOST_LIBRARY;
    else if (host == HOST_LIBRARY && !has_library)
        *problem = NO_LIBRARY;
    else if (host == HOST_EXECUTABLE && !has_executable)
        *problem = NO_EXECUTABLE;
    if (host == HOST_EXECUTABLE && has_executable && !complete)
        *problem = NO_HOOK;
    return host;
}

/* -- the start ---------------------------------------------------------------------------------------------------- */

/* Opens a file for the executable, which closes it. Returns -1, with errno, if that fails. */
static int open_inherited(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    int inherited = fd < 0 ? -1 : fcntl(fd, F_DUPFD, FIRST_INHERITED);
    if (fd >= 0)
        close(fd);
    return inherited;
}

/* The list in LD_PRELOAD is split at colons and spaces (ld.so(8)), so that a path with one goes by a descriptor.
 * Returns what to write, which the caller must free, or NULL. */
static char *name_hook(const char *hook)
{
    char *name = NULL;
    if (strpbrk(hook, ": \t\n") == NULL)
        return strdup(hook);
    int fd = open_inherited(hook, O_RDONLY);
    return fd < 0 || asprintf(&name, "/proc/self/fd/%d", fd) < 0 ? NULL : name;
}

static bool set_preload(void)
{
    const char *before = getenv(HOST_PRELOAD);
    char *hook = own_files_path(HOOK_FILE), *name = hook == NULL ? NULL : name_hook(hook), *both = NULL;
    bool done = name != NULL && (before == NULL || (asprintf(&both, "%s:%s", name, before) >= 0 &&
                                                    setenv(HOST_VARIABLE_PRELOAD, before, 1) == 0));
    done = done && setenv(HOST_PRELOAD, before == NULL ? name : both, 1) == 0;
    free(hook);
    free(name);
    free(both);
    return done;
}

/* The guard of children is this program once more (children.h), which may be gone from its place by then. */
static bool set_launcher(void)
{
    char number[16];
#ifdef O_PATH
    int fd = open_inherited("/proc/self/exe", O_PATH);
#else
    int fd = -1;
#endif
    if (fd < 0)
        return true;
    snprintf(number, sizeof number, "%d", fd);
    return setenv(HOST_VARIABLE_LAUNCHER, number, 1) == 0;
}

/* The executable inherits the descriptors of the frames; the engine checks whether they are open. */
static void keep_open(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0)
        (void)fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
}

void host_execute(const struct options *options, const struct interpreter *interpreter, const char *engine)
{
    keep_open(options->engine.input_fd);
    keep_open(options->engine.output_fd);
    /* Set below only if there is something to say. */
    unsetenv(HOST_VARIABLE_LAUNCHER);
    unsetenv(HOST_VARIABLE_PRELOAD);
    if (setenv(HOST_VARIABLE_PROGRAM, interpreter->program, 1) == 0 && setenv(HOST_VARIABLE_ENGINE, engine, 1) == 0 &&
        set_launcher() && set_preload())
        execv(interpreter->executable, options->arguments);
    fprintf(stderr, "pythonx_port: %s: %s\n", interpreter->executable, strerror(errno));
}
