/* Starts the interpreter as the python program does, as far as the stable ABI allows. */
#include "python/python_start.h"

#include <dlfcn.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "python/py_api.h"

/* PyPreConfig and PyStatus (PEP 587), which the stable ABI does not have: large enough for any. */
struct preconfiguration {
    long long opaque[32];
};
struct status {
    long long opaque[16];
};

/* Has Python read the environment as the python program does. From CPython 3.15 on UTF-8 is the default (PEP 686), and
 * Py_InitializeEx alone does not obey PYTHONUTF8=0. */
static void preconfigure(void)
{
    void (*fill)(struct preconfiguration *) =
        (void (*)(struct preconfiguration *))(uintptr_t)dlsym(RTLD_DEFAULT, "PyPreConfig_InitPythonConfig");
    struct status (*apply)(const struct preconfiguration *) =
        (struct status(*)(const struct preconfiguration *))(uintptr_t)dlsym(RTLD_DEFAULT, "Py_PreInitialize");
    struct preconfiguration wishes = {0};
    if (fill == NULL || apply == NULL)
        return;
    fill(&wishes);
    (void)apply(&wishes); /* if that failed, starting Python says why */
}

/* Makes UTF-8 the default, as the python program does (PEP 540): a BEAM without a locale, as in many containers, must
 * not lead to ASCII. The variable is not part of the stable ABI, so it is looked up. */
static void prefer_utf8(void)
{
    const char *locale = setlocale(LC_CTYPE, "");
    const char *wish = getenv("PYTHONUTF8");
    if (wish != NULL && strcmp(wish, "0") == 0 && Py_Version >= 0x030f0000) {
        preconfigure();
        return;
    }
    bool plain = locale == NULL || strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0;
    int *utf8_mode = dlsym(RTLD_DEFAULT, "Py_UTF8Mode");
    if (utf8_mode != NULL && (wish == NULL || *wish == '\0' ? plain : *wish == '1'))
        *utf8_mode = 1;
}

/* The path configuration derives prefix, venv and site-packages from the program's name (PEP 405). The function is in
 * the stable ABI for good, but in no header from CPython 3.16 on, so it is looked up. What replaces it (PyConfig,
 * PyInitConfig) is not in the stable ABI. */
static int name_program(const char *program)
{
    void (*set_name)(const wchar_t *) = (void (*)(const wchar_t *))(uintptr_t)dlsym(RTLD_DEFAULT, "Py_SetProgramName");
    wchar_t *name = set_name == NULL ? NULL : Py_DecodeLocale(program, NULL);
    if (name == NULL)
        return -1;
    set_name(name); /* keeps the pointer */
    return 0;
}

/* Python's own handlers are left out: an interrupt from a terminal ends the process as it ends others. Signals that
 * python3 ignores are ignored: a write to a closed pipe, or past the limit on file sizes, is an OSError. */
int python_start(const char *program)
{
    prefer_utf8();
    if (name_program(program) < 0)
        return -1;
    signal(SIGPIPE, SIG_IGN);
#ifdef SIGXFSZ
    signal(SIGXFSZ, SIG_IGN);
#endif
    Py_InitializeEx(0);
    return 0;
}

const char *python_version(void)
{
    static char version[32];
    const char *whole = Py_GetVersion();
    snprintf(version, sizeof version, "%.*s", (int)strcspn(whole, " "), whole);
    return version;
}
