#include "launcher/own_files.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __APPLE__
#    include <mach-o/dyld.h>
#endif

#include "launcher/interpreter.h"
#include "os/platform.h"

#define ENGINE_FILE "pythonx_engine.so"

#ifdef __APPLE__
static char *find_own_path(void)
{
    char path[PATH_MAX];
    uint32_t size = sizeof path;
    return _NSGetExecutablePath(path, &size) == 0 ? realpath(path, NULL) : NULL;
}
#else
/* Most systems return the name by which the program was called. */
static char *find_path_called(void)
{
    static const char here = 0;
    Dl_info file;
    if (dladdr(&here, &file) == 0)
        return NULL;
    char *path = strchr(file.dli_fname, '/') == NULL ? interpreter_on_path(file.dli_fname) : strdup(file.dli_fname);
    char *resolved = path == NULL ? NULL : realpath(path, NULL);
    free(path);
    return resolved;
}

/* Returns the path of the launcher's own file, resolved, or NULL if the system does not give it. A chroot may have no
 * /proc. */
static char *find_own_path(void)
{
    char *path = NULL;
#    ifdef PLATFORM_IS_LINUX
    path = realpath("/proc/self/exe", NULL);
#    endif
    return path != NULL ? path : find_path_called();
}
#endif

char *own_files_path(const char *name)
{
    static const char *const places[] = {"", "../lib/pythonx_port/"};
    char *self = find_own_path(), *path = NULL;
    char *slash = self == NULL ? NULL : strrchr(self, '/');
    if (slash != NULL)
        slash[1] = '\0';
    for (size_t i = 0; slash != NULL && i < sizeof places / sizeof *places; i++) {
        if (asprintf(&path, "%s%s%s", self, places[i], name) < 0)
            path = NULL;
        if (path != NULL && access(path, R_OK) == 0)
            break;
        free(path);
        path = NULL;
    }
    free(self);
    return path;
}

char *own_files_engine(void)
{
    return own_files_path(ENGINE_FILE);
}
