#include "launcher/trial.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/serve.h"
#include "os/clock.h"
#include "os/exit_status.h"
#include "os/platform.h"

/* Longer than the import of NumPy from a slow disk. */
#define RUN_TIMEOUT_US 30000000ULL
/* Longer than a start from a slow disk. */
#define START_TIMEOUT_US 30000000ULL
#define LOOK_US 5000
#define ARGUMENTS_MAX 6

/* The first frame, behind its length: {ready, Map}. */
static const char ready[] = "\x83h\2w\5ready";
#define READY_LENGTH (sizeof ready - 1)

/* -- waiting ------------------------------------------------------------------------------------------------------ */

/* Waits for the child, and kills it once the time is over. Returns what waitpid(2) reports. */
static int wait_for(pid_t child, unsigned long long until_us)
{
    int status = 0;
    for (;;) {
        pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child || (ended < 0 && errno != EINTR))
            return status;
        if (clock_us() >= until_us)
            kill(child, SIGKILL);
        usleep(LOOK_US);
    }
}

int trial_run(const char *program, const char *const *arguments)
{
    char *copies[ARGUMENTS_MAX + 2] = {strdup(program)};
    pid_t child;
    size_t count = 1;
    bool whole = copies[0] != NULL;
    for (; whole && count <= ARGUMENTS_MAX && arguments[count - 1] != NULL; count++)
        whole = (copies[count] = strdup(arguments[count - 1])) != NULL;
    bool started = whole && posix_spawn(&child, program, NULL, NULL, copies, environ) == 0;
    for (size_t i = 0; i < count; i++)
        free(copies[i]);
    if (!started)
        return -1;
    int status = wait_for(child, clock_us() + RUN_TIMEOUT_US);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* -- a session ---------------------------------------------------------------------------------------------------- */

/* Reads up to `length` bytes. Returns how many came before the end, or before the time is over. */
static size_t read_until(int fd, unsigned char *bytes, size_t length, unsigned long long until_us)
{
    size_t done = 0;
    while (done < length) {
        unsigned long long now = clock_us();
        if (now >= until_us)
            break;
        int came = poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, (int)((until_us - now) / 1000) + 1);
        ssize_t count = came > 0 ? read(fd, bytes + done, length - done) : came;
        if (count == 0 && came > 0)
            break;
        if (count < 0 && errno != EINTR)
            break;
        done += count > 0 ? (size_t)count : 0;
    }
    return done;
}

static bool becomes_ready(int output, unsigned long long until_us)
{
    unsigned char head[4 + READY_LENGTH];
    return read_until(output, head, sizeof head, until_us) == sizeof head && memcmp(head + 4, ready, READY_LENGTH) == 0;
}

/* Reads what else the session sends, lest it wait for a reader. */
static void drain(int output, unsigned long long until_us)
{
    unsigned char bytes[4096];
    while (read_until(output, bytes, sizeof bytes, until_us) == sizeof bytes)
        ;
}

/* Returns the arguments with the descriptors behind them; the last one counts. NULL if memory is short. The process
 * that needs them keeps them. */
static char *const *add_descriptors(char *const *arguments, int input, int output)
{
    size_t count = 0;
    while (arguments[count] != NULL)
        count++;
    char **longer = calloc(count + 2, sizeof *longer), *option;
    if (longer == NULL || asprintf(&option, "--fds=%d,%d", input, output) < 0)
        return NULL;
    memcpy(longer, arguments, count * sizeof *longer);
    longer[count] = option;
    return longer;
}

/* Starts a session on the ends of two pipes that are not ours. */
static pid_t start(const struct options *options, const struct interpreter *interpreter, enum host host,
                   const char *engine, const int input[2], const int output[2])
{
    pid_t child = fork();
    if (child != 0)
        return child;
    struct options own = *options;
    own.engine.input_fd = input[0];
    own.engine.output_fd = output[1];
    own.arguments = add_descriptors(options->arguments, input[0], output[1]);
    close(input[1]);
    close(output[0]);
    int status = own.arguments == NULL ? EXIT_STATUS_FAILURE : serve_session(&own, interpreter, host, engine);
    fflush(NULL);
    _exit(status);
}

static const char *describe(bool was_ready, bool late, int status)
{
    static char text[128];
    if (was_ready)
        return NULL;
    if (late)
        snprintf(text, sizeof text, "a session was not ready within %d seconds", (int)(START_TIMEOUT_US / 1000000));
    else if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "signal %d ended Python while a session started: see above", WTERMSIG(status));
    else
        snprintf(text, sizeof text, "Python ended with status %d while a session started: see above",
                 WEXITSTATUS(status));
    return text;
}

const char *trial_session(const struct options *options, const struct interpreter *interpreter, enum host host,
                          const char *engine)
{
    int input[2], output[2];
    if (!platform_pipe(input))
        return "no pipe could be made";
    if (!platform_pipe(output)) {
        close(input[0]);
        close(input[1]);
        return "no pipe could be made";
    }
    unsigned long long until_us = clock_us() + START_TIMEOUT_US;
    pid_t child = start(options, interpreter, host, engine, input, output);
    close(input[0]);
    close(output[1]);
    bool was_ready = child > 0 && becomes_ready(output[0], until_us);
    bool late = !was_ready && clock_us() >= until_us;
    close(input[1]);
    if (was_ready)
        drain(output[0], until_us);
    int status = child > 0 ? wait_for(child, until_us) : 0;
    close(output[0]);
    return child < 0 ? "no process could be started" : describe(was_ready, late, status);
}
