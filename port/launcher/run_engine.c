#include "launcher/run_engine.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "launcher/oom_score.h"
#include "os/exit_status.h"

/* Above the client, which would be killed in place of the process whose memory it is. */
#define DEFAULT_OOM_SCORE 500

static bool set_oom_score(struct options *options)
{
    options->engine.has_oom_score_before = oom_score_read(&options->engine.oom_score_before);
    if (options->has_oom_score)
        return oom_score_set(options->oom_score);
    /* As far as the system allows. */
    if (options->engine.has_oom_score_before && options->engine.oom_score_before < DEFAULT_OOM_SCORE)
        (void)oom_score_set(DEFAULT_OOM_SCORE);
    return true;
}

static bool limit_memory(unsigned long long bytes)
{
    struct rlimit limit = {.rlim_cur = (rlim_t)bytes, .rlim_max = (rlim_t)bytes};
    return bytes == 0 || setrlimit(RLIMIT_AS, &limit) == 0;
}

static void *complain(const char *what)
{
    fprintf(stderr, "pythonx_port: %s\n", what);
    return NULL;
}

/* Extension modules search for the symbols of libpython in the whole process: hence RTLD_GLOBAL. */
static engine_main_function *load(const char *library, const char *engine)
{
    if (library != NULL && dlopen(library, RTLD_NOW | RTLD_GLOBAL) == NULL)
        return complain(dlerror());
    void *handle = dlopen(engine, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return complain(dlerror());
    void *symbol = dlsym(handle, ENGINE_MAIN_SYMBOL);
    if (symbol == NULL)
        return complain(dlerror());
    /* C has no cast from an object pointer to a function pointer: dlsym(3). */
    engine_main_function *entry;
    memcpy(&entry, &symbol, sizeof entry);
    return entry;
}

int run_engine(struct options *options, const char *library, const char *engine)
{
    if (!set_oom_score(options)) {
        perror("pythonx_port: --oom-score-adj");
        return EXIT_STATUS_FAILURE;
    }
    if (!limit_memory(options->memory_limit)) {
        perror("pythonx_port: --memory-limit");
        return EXIT_STATUS_FAILURE;
    }
    engine_main_function *engine_main = load(library, engine);
    return engine_main == NULL ? EXIT_STATUS_FAILURE : engine_main(&options->engine);
}
