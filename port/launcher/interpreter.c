/* Recognizes the usual layouts of an interpreter: a file named python3.X, or a venv's pyvenv.cfg (PEP 405), with
 * libpython in the lib directory beside its bin. Anything else, such as pyenv's shim scripts, is run to find out. */
#include "launcher/interpreter.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/host.h"
#include "launcher/probe.h"

#define OLDEST_MINOR 11

#define GONE "%s is a venv's, and the Python in %s that the venv was made from is gone: make the venv again"

/* -- strings and files -------------------------------------------------------------------------------------------- */

static char *concatenate(const char *first, const char *second, const char *third)
{
    char *text;
    return asprintf(&text, "%s%s%s", first, second, third) < 0 ? NULL : text;
}

/* Returns the directory part, without the slash; "/" for a file in the root. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static bool is_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static bool is_directory(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_executable_file(const char *path)
{
    return is_file(path) && access(path, X_OK) == 0;
}

/* -- which interpreter -------------------------------------------------------------------------------------------- */

char *interpreter_on_path(const char *name)
{
    const char *path = getenv("PATH");
    for (const char *at = path == NULL ? "/usr/local/bin:/usr/bin:/bin" : path; *at != '\0';) {
        size_t length = strcspn(at, ":");
        char *candidate;
        if (asprintf(&candidate, "%.*s/%s", length > 0 ? (int)length : 1, length > 0 ? at : ".", name) < 0)
            return NULL;
        if (is_executable_file(candidate))
            return candidate;
        free(candidate);
        at += length;
        if (*at == ':')
            at++;
    }
    errno = ENOENT;
    return NULL;
}

/* Symbolic links are kept: a venv is known by where its python3 stands. */
static char *make_absolute(char *path)
{
    char directory[PATH_MAX];
    if (path == NULL || path[0] == '/' || getcwd(directory, sizeof directory) == NULL)
        return path;
    char *whole = concatenate(directory, "/", path);
    free(path);
    return whole;
}

static char *find_program(const char *python)
{
    const char *environment = getenv("PYTHONX_PYTHON"), *venv = getenv("VIRTUAL_ENV");
    if (python == NULL && environment != NULL && *environment != '\0')
        python = environment;
    if (python == NULL && venv != NULL && *venv != '\0')
        return concatenate(venv, "/bin/python3", "");
    if (python == NULL)
        return interpreter_on_path("python3");
    return strchr(python, '/') == NULL ? interpreter_on_path(python) : strdup(python);
}

/* -- the usual layouts -------------------------------------------------------------------------------------------- */

/* Returns the value of `key = value` in a pyvenv.cfg, or NULL if there is none. */
static char *read_setting(const char *file, const char *key)
{
    char *line = NULL, *value = NULL;
    size_t room = 0, length = strlen(key);
    FILE *settings = fopen(file, "re");
    while (settings != NULL && value == NULL && getline(&line, &room, settings) >= 0) {
        char *at = line + strspn(line, " \t");
        if (strncmp(at, key, length) != 0)
            continue;
        at += length;
        at += strspn(at, " \t");
        if (*at++ != '=')
            continue;
        at += strspn(at, " \t");
        at[strcspn(at, "\r\n")] = '\0';
        value = strdup(at);
    }
    free(line);
    if (settings != NULL)
        fclose(settings);
    return value;
}

/* Returns a setting of the venv that the program is in, or NULL if it is in none. */
static char *read_venv_setting(const char *program, const char *key)
{
    char *directory = directory_of(program), *value = NULL;
    for (int level = 0; directory != NULL && value == NULL && level < 2; level++) {
        char *settings = concatenate(directory, level == 0 ? "/" : "/../", "pyvenv.cfg");
        value = settings == NULL ? NULL : read_setting(settings, key);
        free(settings);
    }
    free(directory);
    return value;
}

/* Returns the directory with the interpreter that a venv was made from, or NULL if the program is in no venv. */
static char *find_venv_home(const char *program)
{
    return read_venv_setting(program, "home");
}

/* Returns the directory of the interpreter itself: a venv's home, or its own, resolved. */
static char *find_base_directory(const char *program)
{
    char *home = find_venv_home(program);
    if (home != NULL)
        return home;
    char *resolved = realpath(program, NULL);
    char *base = resolved == NULL ? NULL : directory_of(resolved);
    free(resolved);
    return base;
}

/* Returns the X behind the start, or 0; the character behind X must be `end`. */
static int read_minor_behind(const char *text, const char *start, char end)
{
    size_t length = strlen(start);
    if (strncmp(text, start, length) != 0)
        return 0;
    char *behind;
    long minor = strtol(text + length, &behind, 10);
    return *behind == end && minor > 0 && minor < 1000 ? (int)minor : 0;
}

/* Returns the X of "…/python3.X". */
static int read_minor(const char *path)
{
    const char *slash = strrchr(path, '/');
    return read_minor_behind(slash == NULL ? path : slash + 1, "python3.", '\0');
}

/* Returns the X of the version 3.X.Y that a venv was made with: by venv, or by virtualenv or uv. One of copies has an
 * interpreter whose name does not tell. */
static int read_venv_minor(const char *program)
{
    static const char *const keys[] = {"version", "version_info"};
    int minor = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && minor == 0; i++) {
        char *version = read_venv_setting(program, keys[i]);
        minor = version == NULL ? 0 : read_minor_behind(version, "3.", '.');
        free(version);
    }
    return minor;
}

static bool is_script(const char *path)
{
    char start[2] = {0};
    FILE *file = fopen(path, "re");
    bool script = file != NULL && fread(start, 1, 2, file) == 2 && start[0] == '#' && start[1] == '!';
    if (file != NULL)
        fclose(file);
    return script;
}

/* Finds the library in the directories that distributions use. Debian has one for each architecture. */
static char *find_library(const char *prefix, int minor)
{
    static const char *const directories[] = {"lib", "lib64", ("lib/" PYTHONX_MULTIARCH)};
    static const char *const endings[] = {".so.1.0", ".so", ".dylib"};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
        for (size_t k = 0; k < sizeof endings / sizeof *endings; k++) {
            char *path;
            if (asprintf(&path, "%s/%s/libpython3.%d%s", prefix, directories[i], minor, endings[k]) < 0)
                return NULL;
            if (is_file(path))
                return path;
            free(path);
        }
    }
#ifdef __APPLE__
    /* In a framework, the prefix is the directory of the version. */
    char *path = concatenate(prefix, "/Python", "");
    if (path == NULL || is_file(path))
        return path;
    free(path);
#endif
    return NULL;
}

/* Returns the file of the program, if a session can run in it. */
static char *find_executable(const char *program)
{
    char *resolved = realpath(program, NULL);
    if (resolved != NULL && host_is_executable(resolved))
        return resolved;
    free(resolved);
    return NULL;
}

/* Returns whether the program is a python3: another program beside one is not, nor is the free-threaded python3.13t. */
static bool is_named_python(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    return strcmp(name, "python") == 0 || strcmp(name, "python3") == 0 || read_minor(name) != 0;
}

/* Returns whether the layout says all that a session needs. */
static bool read_layout(struct interpreter *found)
{
    bool known = false;
    char *directory = find_base_directory(found->program);
    char *base = directory == NULL ? NULL : concatenate(directory, "/python3", "");
    char *resolved = base == NULL ? NULL : realpath(base, NULL);
    char *program = realpath(found->program, NULL);
    char *bin = resolved == NULL ? NULL : directory_of(resolved);
    char *prefix = bin == NULL ? NULL : directory_of(bin);
    if (prefix == NULL || program == NULL || is_script(found->program) || is_script(resolved))
        goto done;
    if (!is_named_python(program))
        goto done;
    /* The interpreter may have another version than the python3 of its directory. */
    int minor = read_minor(program);
    if (minor == 0)
        minor = read_venv_minor(found->program);
    if (minor == 0)
        minor = read_minor(resolved);
    if (minor < OLDEST_MINOR)
        goto done;
    found->library = find_library(prefix, minor);
    found->executable = find_executable(program);
    found->minor = minor;
    known = found->library != NULL || found->executable != NULL;
done:
    free(directory);
    free(base);
    free(resolved);
    free(program);
    free(bin);
    free(prefix);
    return known;
}

/* -- all together ------------------------------------------------------------------------------------------------- */

static bool set_problem(struct interpreter *found, char *problem)
{
    found->problem = problem;
    return problem != NULL;
}

static bool apply_answer(struct interpreter *found, const struct probe_answer *answer)
{
    free(found->program);
    found->program = strdup(answer->executable);
    free(found->library);
    found->library = answer->library[0] != '\0' && is_file(answer->library) ? strdup(answer->library) : NULL;
    free(found->executable);
    found->executable = find_executable(answer->executable);
    found->minor = answer->major == 3 ? answer->minor : 0;
    found->asked = true;
    if (found->program == NULL)
        return false;
    char *text = NULL;
    int made = 0;
    if (answer->major != 3 || answer->minor < OLDEST_MINOR)
        made = asprintf(&text, "%s is Python %d.%d: CPython 3.%d or later is needed", found->program, answer->major,
                        answer->minor, OLDEST_MINOR);
    else if (answer->free_threaded)
        made =
            asprintf(&text, "%s is a free-threaded build, which is not supported: use the usual build of Python 3.%d",
                     found->program, answer->minor);
    else if (found->library == NULL && found->executable == NULL)
        made = asprintf(&text,
                        "%s has no shared libpython3.%d, and does not export Python's API itself: install the library "
                        "(Debian: libpython3.%d, Fedora: python3-libs), or use another build of Python",
                        found->program, answer->minor, answer->minor);
    found->problem = text;
    return made >= 0;
}

/* Describes a path that is no program, or a venv whose own Python is gone. Returns NULL if memory is short. */
static char *describe_no_program(const char *program)
{
    char *text = NULL, *home = find_venv_home(program);
    struct stat status;
    int made;
    if (is_directory(program))
        made = asprintf(&text,
                        "%s is not an executable file, but a folder: name the interpreter in it, such as "
                        "bin/python3",
                        program);
    else if (home != NULL && lstat(program, &status) == 0 && S_ISLNK(status.st_mode) && access(program, F_OK) != 0)
        made = asprintf(&text, GONE, program, home);
    else
        made = asprintf(&text, "%s is not there, or not an executable file", program);
    free(home);
    return made < 0 ? NULL : text;
}

/* A venv of copies still has an interpreter, which cannot run. */
static char *describe_no_answer(const char *program, char *complaint)
{
    char *text, *home = find_venv_home(program);
    bool gone = home != NULL && !is_directory(home);
    if (gone && asprintf(&text, GONE, program, home) >= 0) {
        free(complaint);
        complaint = text;
    }
    free(home);
    return complaint;
}

bool interpreter_find(const char *python, struct interpreter *found)
{
    *found = (struct interpreter){0};
    found->program = make_absolute(find_program(python));
    if (found->program == NULL && errno == ENOENT)
        return set_problem(found, concatenate(python == NULL ? "python3" : python,
                                              " was not found on PATH: install Python 3.11 or later, or name one", ""));
    if (found->program == NULL)
        return false;
    if (!is_executable_file(found->program))
        return set_problem(found, describe_no_program(found->program));
    if (read_layout(found))
        return true;
    struct probe_answer answer;
    char *complaint = probe_interpreter(found->program, &answer);
    if (complaint != NULL)
        return set_problem(found, describe_no_answer(found->program, complaint));
    bool whole = apply_answer(found, &answer);
    probe_free(&answer);
    return whole;
}

void interpreter_free(struct interpreter *interpreter)
{
    free(interpreter->program);
    free(interpreter->library);
    free(interpreter->executable);
    free(interpreter->problem);
    *interpreter = (struct interpreter){0};
}
