/* Runs lines by popen(3). */
#include "shell.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "folder.h"

/* Reads both of its outputs, and its status. */
struct run {
    char text[20000];
    int status;
};

void shell_set_up(void)
{
    folder_make();
    ck_assert_ptr_nonnull(getenv("PYTHONX_PORT"));
    setenv("PORT", getenv("PYTHONX_PORT"), 1);
    setenv("FOLDER", folder_path(""), 1);
}

static struct run run(const char *line)
{
    struct run run = {.status = -1};
    char command[4096];
    int length = snprintf(command, sizeof command, "{ %s\n} 2>&1", line);
    ck_assert_int_lt(length, (int)sizeof command);
    FILE *out = popen(command, "re");
    ck_assert_ptr_nonnull(out);
    run.text[fread(run.text, 1, sizeof run.text - 1, out)] = '\0';
    int status = pclose(out);
    if (WIFEXITED(status))
        run.status = WEXITSTATUS(status);
    return run;
}

void expect(const char *line, int status, const char *part)
{
    struct run got = run(line);
    ck_assert_msg(got.status == status, "%s: status %d: %.2000s", line, got.status, got.text);
    ck_assert_msg(strstr(got.text, part) != NULL, "%s: expected '%s' in '%.2000s'", line, part, got.text);
}

void expect_only(const char *line, int status, const char *text)
{
    struct run got = run(line);
    ck_assert_msg(got.status == status, "%s: status %d: %.2000s", line, got.status, got.text);
    ck_assert_msg(strcmp(got.text, text) == 0, "%s: expected '%s', got '%.2000s'", line, text, got.text);
}
