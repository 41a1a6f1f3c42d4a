/* Runs the port by posix_spawn(3), two pipes and a buffer: a port that does not read must not keep the test from
 * reading. */
#include "port_process.h"

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

#include "history.h"
#include "terms.h"
#include "wire/message.h"

#define FIRST_FREE_FD 10
#define ARGUMENTS_MAX 8
/* So often that looks for debuggers meet all else. */
#define LOOK_MS "3"

struct port_process {
    pid_t pid;         /* 0 once it was waited for */
    int input, output; /* our ends; -1 once closed */
    bool input_ends;
    FILE *errors;
    struct frame_reader *frames;
    struct message message; /* the frame being built */
    unsigned char *unwritten;
    size_t length, capacity, written;
};

/* -- starting ----------------------------------------------------------------------------------------------------- */

static void make_pipe(int ends[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) != 0)
        finding("pipe2: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
        close(low[i]);
    }
}

static void spawn(struct port_process *process, const char *program, const char *python, int in, int out)
{
    const char *arguments[ARGUMENTS_MAX] = {program, python != NULL ? "--python" : NULL, python};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(process->errors), STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    /* posix_spawn only reads, despite its type. */
    int error = posix_spawn(&process->pid, program, &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        finding("%s: %s", program, strerror(error));
}

struct port_process *port_process_start(const char *program, const char *python, const char *schedule_seed)
{
    int in[2], out[2];
    struct port_process *process = calloc(1, sizeof *process);
    signal(SIGPIPE, SIG_IGN);
    if (schedule_seed != NULL) {
        setenv("PYTHONX_SCHEDULE_SEED", schedule_seed, 1);
        setenv("PYTHONX_SCHEDULE_LOOK_MS", LOOK_MS, 1);
    }
    make_pipe(in);
    make_pipe(out);
    process->errors = tmpfile();
    if (process->errors == NULL || fcntl(fileno(process->errors), F_SETFL, O_APPEND) != 0)
        finding("tmpfile: %s", strerror(errno));
    spawn(process, program, python, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    process->input = in[1];
    process->output = out[0];
    fcntl(process->input, F_SETFL, O_NONBLOCK);
    process->frames = frame_reader_new(process->output, FRAME_LENGTH_MAX, NULL);
    return process;
}

pid_t port_process_pid(const struct port_process *process)
{
    return process->pid;
}

/* -- to the port -------------------------------------------------------------------------------------------------- */

static void append_message(struct port_process *process)
{
    if (message_finish(&process->message) != MESSAGE_OK)
        finding("no memory for a frame");
    size_t needed = process->length + process->message.length;
    if (needed > process->capacity) {
        process->capacity = 2 * needed;
        process->unwritten = realloc(process->unwritten, process->capacity);
        if (process->unwritten == NULL)
            finding("no memory for what is to be written");
    }
    memcpy(process->unwritten + process->length, process->message.bytes, process->message.length);
    process->length = needed;
}

void port_process_send(struct port_process *process, const char *text, struct span term)
{
    if (process->input_ends)
        return;
    history_sent(text);
    message_begin(&process->message);
    terms_put(&process->message, text, term);
    append_message(process);
}

void port_process_send_file(struct port_process *process, long long id, const char *path)
{
    static char code[65536];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        finding("%s: %s", path, strerror(errno));
    code[fread(code, 1, sizeof code - 1, file)] = '\0';
    fclose(file);
    history_sent(path);
    message_begin(&process->message);
    terms_put(&process->message, "{exec, %d, %s, #{file => %s}}", id, code, path);
    append_message(process);
}

static void write_some(struct port_process *process)
{
    size_t left = process->length - process->written;
    ssize_t count = write(process->input, process->unwritten + process->written, left);
    /* The end of the port is detected at the end of its output, which may still hold frames. */
    if (count < 0 && errno != EAGAIN)
        count = (ssize_t)left;
    if (count > 0)
        process->written += (size_t)count;
    if (process->written == process->length)
        process->written = process->length = 0;
}

size_t port_process_unwritten(const struct port_process *process)
{
    return process->length - process->written;
}

static void close_at_end(struct port_process *process)
{
    if (process->input_ends && process->input >= 0 && process->length == 0) {
        close(process->input);
        process->input = -1;
    }
}

void port_process_close_input(struct port_process *process)
{
    history_sent("(end of input)");
    process->input_ends = true;
    close_at_end(process);
}

void port_process_hang_up(struct port_process *process)
{
    history_sent("(closed both ways)");
    process->input_ends = true;
    close(process->input);
    process->input = -1;
    close(process->output);
    process->output = -1;
}

/* -- from the port ------------------------------------------------------------------------------------------------ */

/* Returns true if there is something to read. */
static bool wait_ready(struct port_process *process, uint64_t until)
{
    struct pollfd fds[2] = {{.fd = process->output, .events = POLLIN}, {.fd = -1, .events = POLLOUT}};
    uint64_t now = now_us(), left = until > now ? until - now : 0;
    struct timespec timeout = {(time_t)(left / 1000000u), (long)(left % 1000000u) * 1000};
    if (process->length > 0)
        fds[1].fd = process->input;
    int count = ppoll(fds, 2, &timeout, NULL);
    if (count > 0 && fds[1].revents != 0)
        write_some(process);
    close_at_end(process);
    return count > 0 && fds[0].revents != 0;
}

enum frame_status port_process_next(struct port_process *process, uint64_t until, struct frame *frame)
{
    if (process->length > 0)
        write_some(process);
    close_at_end(process);
    for (;;) {
        if (!frame_reader_has_frame(process->frames) && !wait_ready(process, until)) {
            if (now_us() >= until)
                return FRAME_WAIT;
            continue;
        }
        enum frame_status status = frame_reader_next(process->frames, frame);
        if (status != FRAME_WAIT)
            return status;
    }
}

/* -- the end ------------------------------------------------------------------------------------------------------ */

int port_process_wait(struct port_process *process, uint64_t until)
{
    int status;
    pid_t ended;
    while ((ended = waitpid(process->pid, &status, WNOHANG)) == 0 && now_us() < until)
        usleep(500);
    if (ended == 0)
        return -1000;
    process->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

const char *port_process_errors(struct port_process *process)
{
    static char text[6000];
    off_t size = lseek(fileno(process->errors), 0, SEEK_END), from = size - (off_t)sizeof text + 1;
    ssize_t length = pread(fileno(process->errors), text, sizeof text - 1, from > 0 ? from : 0);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

void port_process_free(struct port_process *process)
{
    if (process->pid != 0) {
        kill(process->pid, SIGKILL);
        waitpid(process->pid, NULL, 0);
    }
    if (process->input >= 0)
        close(process->input);
    if (process->output >= 0)
        close(process->output);
    frame_reader_free(process->frames);
    fclose(process->errors);
    message_free(&process->message);
    free(process->unwritten);
    free(process);
}
