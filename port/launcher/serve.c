#include "launcher/serve.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>

#include "launcher/loader.h"
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

int serve_session(struct options *options, const struct interpreter *interpreter, const char *engine)
{
    if (!set_oom_score(options)) {
        perror("pythonx_port: --oom-score-adj");
        return EXIT_STATUS_FAILURE;
    }
    if (!limit_memory(options->memory_limit)) {
        perror("pythonx_port: --memory-limit");
        return EXIT_STATUS_FAILURE;
    }
    engine_main_function *engine_main = loader_load(interpreter->library, engine);
    if (engine_main == NULL)
        return EXIT_STATUS_FAILURE;
    options->engine.program = interpreter->program;
    return engine_main(&options->engine);
}
