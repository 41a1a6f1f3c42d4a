/* Controls points by a listening socket, one connection, and the lines that came while the test waited for another
 * one. */
#include "schedule_control.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <check.h>

#define WAIT_MSEC 10000
#define LINE_LENGTH 300
#define LINES_MAX 256

struct schedule_control {
    char folder[64], variable[160];
    struct sockaddr_un address;
    int listening, connection;          /* the latter -1 until the process has connected */
    char early[LINES_MAX][LINE_LENGTH]; /* in order of arrival; an empty one is free */
};

struct schedule_control *schedule_control_new(void)
{
    struct schedule_control *control = calloc(1, sizeof *control);
    ck_assert_ptr_nonnull(control);
    strcpy(control->folder, "/tmp/pythonx_schedule_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(control->folder));
    control->address.sun_family = AF_UNIX;
    snprintf(control->address.sun_path, sizeof control->address.sun_path, "%s/socket", control->folder);
    snprintf(control->variable, sizeof control->variable, "PYTHONX_SCHEDULE_SOCKET=%s", control->address.sun_path);
    control->connection = -1;
    control->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *address = (const struct sockaddr *)&control->address;
    ck_assert_int_ge(control->listening, 0);
    ck_assert_int_eq(bind(control->listening, address, sizeof control->address), 0);
    ck_assert_int_eq(listen(control->listening, 1), 0);
    return control;
}

const char *schedule_control_variable(const struct schedule_control *control)
{
    return control->variable;
}

void schedule_control_free(struct schedule_control *control)
{
    if (control->connection >= 0)
        close(control->connection);
    close(control->listening);
    unlink(control->address.sun_path);
    rmdir(control->folder);
    free(control);
}

static void wait_readable(int fd, const char *what)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    ck_assert_msg(poll(&poller, 1, WAIT_MSEC) == 1, "schedule: waited %d s for %s", WAIT_MSEC / 1000, what);
}

static void ensure_connected(struct schedule_control *control)
{
    if (control->connection >= 0)
        return;
    wait_readable(control->listening, "the process to reach its first point (is it built with PYTHONX_SCHEDULES?)");
    control->connection = accept4(control->listening, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(control->connection, 0);
}

static void read_line(struct schedule_control *control, char line[LINE_LENGTH], const char *expected)
{
    size_t length = 0;
    for (;;) {
        wait_readable(control->connection, expected);
        ck_assert_msg(recv(control->connection, line + length, 1, 0) == 1,
                      "schedule: the process closed the connection while the test waited for %s", expected);
        if (line[length] == '\n')
            break;
        length++;
        ck_assert_uint_lt(length, LINE_LENGTH);
    }
    line[length] = '\0';
    ck_assert_msg(strncmp(line, "error", 5) != 0, "schedule: %s", line);
}

/* Removes the line from those that came early. */
static bool take_early(struct schedule_control *control, const char *expected)
{
    size_t at = 0;
    while (at < LINES_MAX && strcmp(control->early[at], expected) != 0)
        at++;
    if (at == LINES_MAX)
        return false;
    memmove(control->early[at], control->early[at + 1], (LINES_MAX - at - 1) * LINE_LENGTH);
    control->early[LINES_MAX - 1][0] = '\0';
    return true;
}

static void keep_early(struct schedule_control *control, const char *line)
{
    size_t at = 0;
    while (at < LINES_MAX && control->early[at][0] != '\0')
        at++;
    ck_assert_msg(at < LINES_MAX, "schedule: more than %d threads stopped and were not waited for", LINES_MAX);
    strcpy(control->early[at], line);
}

static void wait_line(struct schedule_control *control, const char *word, const char *point)
{
    char expected[LINE_LENGTH], line[LINE_LENGTH];
    snprintf(expected, sizeof expected, "%s %s", word, point);
    if (take_early(control, expected))
        return;
    for (;;) {
        read_line(control, line, expected);
        if (strcmp(line, expected) == 0)
            return;
        keep_early(control, line);
    }
}

static void command(struct schedule_control *control, const char *format, const char *point, const char *answer)
{
    char line[LINE_LENGTH];
    int length = snprintf(line, sizeof line, format, point);
    ensure_connected(control);
    ck_assert_msg(send(control->connection, line, (size_t)length, MSG_NOSIGNAL) == length,
                  "schedule: the process has ended, and takes no command: %s", line);
    wait_line(control, answer, point);
}

void schedule_hold(struct schedule_control *control, const char *point)
{
    command(control, "hold %s\n", point, "held");
}

void schedule_hold_once(struct schedule_control *control, const char *point)
{
    command(control, "hold %s once\n", point, "held");
}

void schedule_wait_reached(struct schedule_control *control, const char *point)
{
    ensure_connected(control);
    wait_line(control, "reached", point);
}

void schedule_release(struct schedule_control *control, const char *point)
{
    command(control, "release %s\n", point, "released");
}
