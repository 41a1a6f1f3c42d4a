/* Runs the program by posix_spawn(3), with two pipes, and a temporary file for stderr, which then never blocks it. */
#include "session_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <check.h>

#include "pythons.h"
#include "terms.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/term.h"

/* Above what the program's own descriptors are given in the child. */
#define FIRST_FREE_FD 10

struct session {
    pid_t pid; /* 0 once it was waited for */
    int status;
    int input, output; /* our ends; -1 once closed */
    FILE *errors_file;
    struct frame_reader *frames;
    char *ready, *shown;
};

/* -- starting ----------------------------------------------------------------------------------------------------- */

static void make_pipe(int ends[2])
{
    int low[2];
    ck_assert_int_eq(pipe2(low, O_CLOEXEC), 0);
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, FIRST_FREE_FD);
        ck_assert_int_ge(ends[i], 0);
        close(low[i]);
    }
}

static void fill_arguments(const struct session_setup *setup, const char *program, const char **arguments)
{
    *arguments++ = program;
    *arguments++ = "--python";
    *arguments++ = setup->path != NULL ? setup->path : pythons_path(setup->python);
    if (setup->other_fds) {
        *arguments++ = "--fds";
        *arguments++ = "3,4";
    }
    for (size_t i = 0; i < 8 && setup->options[i] != NULL; i++)
        *arguments++ = setup->options[i];
    *arguments = NULL;
}

/* The additions stand first: the first of two entries of one name is the one that counts. */
static char **make_environment(const struct session_setup *setup)
{
    size_t count = 0, added = 0;
    while (environ[count] != NULL)
        count++;
    char **environment = calloc(count + 5, sizeof *environment);
    ck_assert_ptr_nonnull(environment);
    for (; added < 4 && setup->environment[added] != NULL; added++)
        environment[added] = strdup(setup->environment[added]);
    for (size_t i = 0; i < count; i++)
        environment[added + i] = strdup(environ[i]);
    return environment;
}

static void free_environment(char **environment)
{
    for (size_t i = 0; environment[i] != NULL; i++)
        free(environment[i]);
    free(environment);
}

static void spawn(struct session *session, const struct session_setup *setup, int in, int out)
{
    const char *program = getenv("PYTHONX_PORT"), *arguments[16];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ck_assert_msg(program != NULL, "PYTHONX_PORT is not set: make test-port");
    fill_arguments(setup, program, arguments);
    char **environment = make_environment(setup);
    posix_spawn_file_actions_init(&actions);
    /* The file first: it may be where one of the others goes. */
    posix_spawn_file_actions_adddup2(&actions, fileno(session->errors_file), STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, in, setup->other_fds ? 3 : STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, setup->other_fds ? 4 : STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, setup->leads ? POSIX_SPAWN_SETSID : 0);
    /* posix_spawn only reads, despite its type. */
    int error =
        posix_spawn(&session->pid, program, &actions, &attributes, (char *const *)(uintptr_t)arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free_environment(environment);
    ck_assert_msg(error == 0, "%s: %s", program, strerror(error));
}

struct session *session_start(const struct session_setup *setup)
{
    int in[2], out[2];
    struct session *session = calloc(1, sizeof *session);
    ck_assert_ptr_nonnull(session);
    signal(SIGPIPE, SIG_IGN);
    make_pipe(in);
    make_pipe(out);
    session->errors_file = tmpfile();
    ck_assert_ptr_nonnull(session->errors_file);
    ck_assert_int_eq(fcntl(fileno(session->errors_file), F_SETFL, O_APPEND), 0);
    spawn(session, setup, in[0], out[1]);
    close(in[0]);
    close(out[1]);
    session->input = in[1];
    session->output = out[0];
    session->frames = frame_reader_new(session->output, FRAME_LENGTH_MAX, NULL);
    if (setup->not_ready)
        return session;
    const char *first = session_next(session);
    ck_assert_msg(first != NULL && strncmp(first, "{ready,", 7) == 0, "not ready: %s\n%s", first,
                  session_errors(session));
    session->ready = strdup(first);
    return session;
}

pid_t session_pid(const struct session *session)
{
    return session->pid;
}

const char *session_ready(const struct session *session)
{
    return session->ready;
}

const char *session_errors(struct session *session)
{
    static char text[20000];
    ssize_t length = pread(fileno(session->errors_file), text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return text;
}

/* -- to the session ----------------------------------------------------------------------------------------------- */

void session_write(struct session *session, const void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t count = write(session->input, (const char *)bytes + done, length - done);
        ck_assert_msg(count > 0, "the session takes no input: %s", session_errors(session));
        done += (size_t)count;
    }
}

void session_try_write(struct session *session, const void *bytes, size_t length)
{
    (void)!write(session->input, bytes, length);
}

void session_send_frame(struct session *session, const void *bytes, size_t length)
{
    unsigned char header[FRAME_HEADER];
    frame_put_length(header, length);
    session_write(session, header, sizeof header);
    session_write(session, bytes, length);
}

void session_send(struct session *session, const char *format, ...)
{
    struct message message = {0};
    va_list arguments;
    message_begin(&message);
    va_start(arguments, format);
    terms_put_list(&message, format, arguments);
    va_end(arguments);
    ck_assert_int_eq(message_finish(&message), MESSAGE_OK);
    session_write(session, message.bytes, message.length);
    message_free(&message);
}

int session_input(const struct session *session)
{
    return session->input;
}

void session_close_input(struct session *session)
{
    if (session->input >= 0)
        close(session->input);
    session->input = -1;
}

void session_close_output(struct session *session)
{
    if (session->output >= 0)
        close(session->output);
    session->output = -1;
}

/* -- from the session --------------------------------------------------------------------------------------------- */

bool session_next_frame(struct session *session, struct frame *frame)
{
    enum frame_status status;
    do
        status = frame_reader_next(session->frames, frame);
    while (status == FRAME_WAIT);
    ck_assert_msg(status == FRAME_READY || status == FRAME_END, "the session's output is broken (%d): %s", status,
                  session_errors(session));
    return status == FRAME_READY;
}

const char *session_next(struct session *session)
{
    struct frame frame = {0};
    free(session->shown);
    session->shown = NULL;
    if (!session_next_frame(session, &frame))
        return NULL;
    struct span span = span_of(frame.bytes, frame.length);
    uint8_t version;
    ck_assert_msg(span_take_u8(&span, &version) && version == TERM_VERSION, "a frame without a term");
    session->shown = terms_show(span);
    frame_free(&frame);
    return session->shown;
}

const char *session_next_reply(struct session *session)
{
    const char *frame;
    do
        frame = session_next(session);
    while (frame != NULL && (strncmp(frame, "{output,", 8) == 0 || strncmp(frame, "{log,", 5) == 0));
    return frame;
}

static void expect_text(struct session *session, const char *got, const char *expected)
{
    ck_assert_msg(got != NULL && strcmp(got, expected) == 0, "expected %s\ngot %s\n%s", expected,
                  got == NULL ? "the end" : got, session_errors(session));
}

void session_expect(struct session *session, const char *format, ...)
{
    char *expected;
    va_list arguments;
    va_start(arguments, format);
    ck_assert_int_ge(vasprintf(&expected, format, arguments), 0);
    va_end(arguments);
    expect_text(session, session_next(session), expected);
    free(expected);
}

void session_expect_error(struct session *session, const char *id, const char *kind, const char *part)
{
    char start[1000];
    const char *got = session_next_reply(session);
    snprintf(start, sizeof start, "{error,%s,#{kind=>%s,message=>'", id, kind);
    ck_assert_msg(got != NULL && strncmp(got, start, strlen(start)) == 0 && strstr(got, part) != NULL,
                  "expected %s…%s…\ngot %s\n%s", start, part, got == NULL ? "the end" : got, session_errors(session));
}

void session_expect_value(struct session *session, const char *code, const char *value)
{
    char *expected;
    session_send(session, "{eval, 1, %s}", code);
    ck_assert_int_ge(asprintf(&expected, "{ok,1,%s}", value), 0);
    expect_text(session, session_next_reply(session), expected);
    free(expected);
}

long long session_expect_reference(struct session *session, const char *type, const char *repr)
{
    const char *got = session_next(session);
    const char *number = got == NULL ? NULL : strstr(got, "ref=>");
    ck_assert_msg(number != NULL, "no reference: %s\n%s", got == NULL ? "the end" : got, session_errors(session));
    long long reference = atoll(number + strlen("ref=>"));
    char *expected;
    ck_assert_int_ge(asprintf(&expected,
                              "{ok,1,#{__struct__=>Elixir.PythonxPort.Object,ref=>%lld,type=>'%s',repr=>'%s'}}",
                              reference, type, repr),
                     0);
    expect_text(session, got, expected);
    free(expected);
    return reference;
}

void session_expect_alive(struct session *session)
{
    session_send(session, "{eval, ping, '20 + 3'}");
    expect_text(session, session_next_reply(session), "{ok,ping,23}");
}

/* -- the end ------------------------------------------------------------------------------------------------------ */

int session_wait(struct session *session)
{
    int status;
    if (session->pid == 0)
        return session->status;
    while (waitpid(session->pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    session->pid = 0;
    session->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return session->status;
}

void session_free(struct session *session)
{
    session_close_input(session);
    session_close_output(session);
    frame_reader_free(session->frames);
    fclose(session->errors_file);
    free(session->ready);
    free(session->shown);
    free(session);
}

void session_end(struct session *session, int status)
{
    session_close_input(session);
    const char *more = session->output < 0 ? NULL : session_next(session);
    ck_assert_msg(more == NULL, "an unexpected frame: %s", more);
    int got = session_wait(session);
    ck_assert_msg(got == status, "ended with %d instead of %d: %s", got, status, session_errors(session));
    session_free(session);
}
