#include "launcher/serve.h"

#include "launcher/host.h"
#include "launcher/run_engine.h"
#include "os/exit_status.h"

int serve_session(struct options *options, const struct interpreter *interpreter, enum host host, const char *engine)
{
    if (host == HOST_EXECUTABLE) {
        host_execute(options, interpreter, engine);
        return EXIT_STATUS_FAILURE;
    }
    options->engine.program = interpreter->program;
    options->engine.launcher = "/proc/self/exe";
    return run_engine(options, interpreter->library, engine);
}
