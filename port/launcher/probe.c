/* Runs one script in an interpreter and reads its answer of a few lines. */
#include "launcher/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/platform.h"

/* INSTSONAME is the library that the interpreter links against; a static one has none, but its library may be
 * installed. Python 2 must run the script, too, to be reported as too old: it has no option -I, which would keep the
 * current folder's modules out. */
static const char script[] =
    "import sys\n"
    "sys.path[:] = [p for p in sys.path if p]\n"
    "import os, sysconfig\n"
    "var = sysconfig.get_config_var\n"
    "version = '%d.%d' % sys.version_info[:2]\n"
    "threads = 't' if var('Py_GIL_DISABLED') else ''\n"
    "names = [str(var('INSTSONAME')), 'libpython' + version + threads + '.so.1.0', 'libpython' + version + threads + "
    "'.dylib']\n"
    "base = getattr(sys, 'base_prefix', sys.prefix)\n"
    "places = [str(var('LIBDIR')), os.path.join(base, 'lib'), os.path.join(base, 'lib64')]\n"
    "if var('MULTIARCH'): places.append(os.path.join(base, 'lib', var('MULTIARCH')))\n"
    "frameworks = str(var('PYTHONFRAMEWORKPREFIX') or '')\n"
    "paths = [os.path.join(p, n) for n in names for p in places if '.so' in n or n.endswith('.dylib')]\n"
    "if frameworks: paths.append(os.path.join(frameworks, str(var('INSTSONAME'))))\n"
    "found = [p for p in paths if os.path.isfile(p)] + ['']\n"
    "out = '\\n'.join([version, threads, found[0], sys.executable, ''])\n"
    "os.write(1, out if bytes is str else os.fsencode(out))\n";

/* Longer than any interpreter takes to start. */
#define START_TIMEOUT_MS 10000

static char *describe_failure(const char *program, const char *what)
{
    char *text;
    return asprintf(&text, "%s %s", program, what) < 0 ? strdup("out of memory") : text;
}

/* Starts the interpreter with its output on a pipe and its input empty. Returns the descriptor to read from, or -1. */
static int start_script(const char *program, pid_t *pid)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    char *const arguments[] = {strdup(program), strdup("-Es"), strdup("-c"), strdup(script), NULL};
    int error = ENOMEM;
    if (arguments[0] == NULL || arguments[1] == NULL || arguments[2] == NULL || arguments[3] == NULL)
        goto no_arguments;
    if (!platform_pipe(ends)) {
        error = errno;
        goto no_arguments;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    error = posix_spawn(pid, program, &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error != 0)
        close(ends[0]);
no_arguments:
    for (int i = 0; i < 4; i++)
        free(arguments[i]);
    errno = error;
    return error == 0 ? ends[0] : -1;
}

/* Returns all that comes until the end, as a string; NULL if memory is short. */
static char *read_all(int fd)
{
    size_t length = 0, room = 4096;
    char *text = malloc(room);
    while (text != NULL) {
        if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, START_TIMEOUT_MS) == 0)
            break;
        ssize_t count = read(fd, text + length, room - 1 - length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        length += (size_t)count;
        if (length == room - 1) {
            char *longer = realloc(text, room *= 2);
            if (longer == NULL)
                free(text);
            text = longer;
        }
    }
    if (text != NULL)
        text[length] = '\0';
    return text;
}

/* Cuts the answer into its lines. Returns false if there are too few. */
static bool split_lines(struct probe_answer *answer)
{
    const char *lines[4];
    char *at = answer->text;
    for (int i = 0; i < 4; i++) {
        char *end = strchr(at, '\n');
        if (end == NULL)
            return false;
        *end = '\0';
        lines[i] = at;
        at = end + 1;
    }
    answer->free_threaded = lines[1][0] == 't';
    answer->library = lines[2];
    answer->executable = lines[3];
    char *dot, *end;
    answer->major = (int)strtol(lines[0], &dot, 10);
    answer->minor = *dot == '.' ? (int)strtol(dot + 1, &end, 10) : 0;
    return *dot == '.' && *end == '\0';
}

char *probe_interpreter(const char *program, struct probe_answer *answer)
{
    pid_t pid;
    int status = 0;
    *answer = (struct probe_answer){0};
    int fd = start_script(program, &pid);
    if (fd < 0)
        return describe_failure(program, "could not be run");
    answer->text = read_all(fd);
    close(fd);
    /* An interpreter that has answered is about to end; one that hangs is killed. */
    if (answer->text == NULL || *answer->text == '\0')
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (answer->text != NULL && WIFEXITED(status) && WEXITSTATUS(status) == 0 && split_lines(answer))
        return NULL;
    probe_free(answer);
    return describe_failure(program, "did not run a simple script: is it a Python interpreter?");
}

void probe_free(struct probe_answer *answer)
{
    free(answer->text);
    *answer = (struct probe_answer){0};
}
