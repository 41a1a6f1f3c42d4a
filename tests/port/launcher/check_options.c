/* Tests the command line: the meaning of the options, and the errors of invalid ones. */
#include <check.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "captured.h"
#include "launcher/options.h"
#include "suites.h"
#include "wire/frame.h"

#define MOST_WORDS 8

/* Returns the words of a line, separated by spaces, as arguments after the program's name; valid until the next
 * call. */
static int read_words(const char *line, struct options *options)
{
    static char words[200];
    static char *arguments[MOST_WORDS + 2];
    int count = 0;
    snprintf(words, sizeof words, "pythonx_port %s", line);
    for (char *word = strtok(words, " "); word != NULL && count <= MOST_WORDS; word = strtok(NULL, " "))
        arguments[count++] = word;
    arguments[count] = NULL;
    optind = 0; /* getopt starts again */
    return options_read(count, arguments, options);
}

static struct options accepted(const char *line)
{
    struct options options;
    ck_assert_msg(read_words(line, &options), "%s", line);
    return options;
}

START_TEST(has_defaults)
{
    struct options options = accepted("");
    ck_assert_int_eq(options.command, COMMAND_SERVE);
    ck_assert_ptr_null(options.python);
    ck_assert_uint_eq(options.memory_limit, 0);
    ck_assert_int_eq(options.engine.input_fd, 0);
    ck_assert_int_eq(options.engine.output_fd, 1);
    ck_assert_uint_eq(options.engine.max_frame, FRAME_LENGTH_MAX);
    ck_assert_uint_eq(options.engine.max_result, 0);
    ck_assert_uint_eq(options.engine.atom_limit, 10000);
    ck_assert_uint_eq(options.engine.spin_us, 0);
    ck_assert_uint_eq(options.engine.linger_ms, 1000);
    ck_assert_int_lt(options.engine.mapset_version, 0);
    ck_assert(!options.has_oom_score);
    ck_assert(options.engine.end_children);
    ck_assert_ptr_null(options.engine.crash_file);
}
END_TEST

START_TEST(reads_every_option)
{
    struct options options = accepted("--python /a/python3 --fds 3,4 --max-frame=1000 --memory-limit 8589934592");
    ck_assert_str_eq(options.python, "/a/python3");
    ck_assert_int_eq(options.engine.input_fd, 3);
    ck_assert_int_eq(options.engine.output_fd, 4);
    ck_assert_uint_eq(options.engine.max_frame, 1000);
    ck_assert_uint_eq(options.memory_limit, 8589934592ULL);
    options = accepted("--spin 50 --linger 0 --crash-file /a/file --mapset-version 2");
    ck_assert_uint_eq(options.engine.spin_us, 50);
    ck_assert_uint_eq(options.engine.linger_ms, 0);
    ck_assert_str_eq(options.engine.crash_file, "/a/file");
    ck_assert_int_eq(options.engine.mapset_version, 2);
    ck_assert(!options.quiet && accepted("--quiet").quiet);
    ck_assert(!accepted("--children keep").engine.end_children);
    ck_assert(accepted("--children end").engine.end_children);
    options = accepted("--max-result 1 --atom-limit 0");
    ck_assert_uint_eq(options.engine.max_result, 1);
    ck_assert_uint_eq(options.engine.atom_limit, 0);
    options = accepted("--oom-score-adj 0");
    ck_assert(options.has_oom_score && options.oom_score == 0);
    options = accepted("--oom-score-adj -1000");
    ck_assert(options.has_oom_score && options.oom_score == -1000);
}
END_TEST

static const struct {
    const char *line;
    enum command command;
} commands[] = {
    {"encode", COMMAND_ENCODE},
    {"decode", COMMAND_DECODE},
    {"doctor", COMMAND_DOCTOR},
    {"doctor --python x", COMMAND_DOCTOR},
    {"--python x doctor", COMMAND_DOCTOR},
    {"--help", COMMAND_HELP},
    {"encode --help", COMMAND_HELP},
    {"--version", COMMAND_VERSION},
    {"--python x", COMMAND_SERVE},
};

START_TEST(reads_commands)
{
    ck_assert_int_eq(accepted(commands[_i].line).command, commands[_i].command);
}
END_TEST

static const struct {
    const char *line, *complaint;
} refused[] = {
    {"serve", "unknown command 'serve'"},
    {"encode decode", "one command at a time, got 'encode' and 'decode'"},
    {"--frobnicate", "frobnicate"},
    {"--fds", "fds"},
    {"--fds 3", "--fds: expected two descriptors such as 3,4, got '3'"},
    {"--fds 3,", "--fds: expected two descriptors"},
    {"--fds ,4", "--fds: expected two descriptors"},
    {"--fds 3,4,5", "--fds: expected two descriptors"},
    {"--fds -1,4", "--fds: expected two descriptors"},
    {"--fds 3,x", "--fds: expected two descriptors"},
    {"--fds 3,99999999999", "--fds: expected two descriptors"},
    {"--max-frame 0", "--max-frame: expected bytes, from 1 to 4294967295, got '0'"},
    {"--max-frame 4294967296", "--max-frame: expected bytes, from 1 to 4294967295, got '4294967296'"},
    {"--max-frame 1k", "--max-frame: expected bytes"},
    {"--max-frame -1", "--max-frame: expected bytes"},
    {"--max-frame +1", "--max-frame: expected bytes"},
    {"--max-frame 0x10", "--max-frame: expected bytes"},
    {"--max-frame 99999999999999999999999", "--max-frame: expected bytes"},
    {"--max-result 0", "--max-result: expected a number of bytes, got '0'"},
    {"--max-result x", "--max-result: expected a number of bytes, got 'x'"},
    {"--atom-limit -1", "--atom-limit: expected a number of atoms, got '-1'"},
    {"--atom-limit 4294967296", "--atom-limit: expected a number of atoms"},
    {"--memory-limit 0", "--memory-limit: expected a number of bytes, got '0'"},
    {"--children", "children"},
    {"--children kill", "--children: expected end or keep, got 'kill'"},
    {"--oom-score-adj 1001", "--oom-score-adj: expected a number from -1000 to 1000, got '1001'"},
    {"--oom-score-adj -1001", "--oom-score-adj: expected a number from -1000 to 1000, got '-1001'"},
    {"--oom-score-adj --5", "--oom-score-adj: expected a number"},
    {"--oom-score-adj -", "--oom-score-adj: expected a number"},
    {"--memory-limit lots", "--memory-limit: expected a number of bytes, got 'lots'"},
    {"--spin 1000001", "--spin: expected microseconds, from 0 to 1000000, got '1000001'"},
    {"--linger 3000000000", "--linger: expected a number of milliseconds"},
    {"--linger 1s", "--linger: expected a number of milliseconds, got '1s'"},
    {"--mapset-version -2", "--mapset-version: expected a number, got '-2'"},
    {"--python=", "--python: expected the path of an interpreter, got ''"},
    {"--crash-file=", "--crash-file: expected a path, got ''"},
};

START_TEST(says_what_is_wrong)
{
    struct options options;
    capture_begin();
    int read = read_words(refused[_i].line, &options);
    char *complaint = capture_end();
    ck_assert_msg(!read, "%s", refused[_i].line);
    ck_assert_msg(strstr(complaint, refused[_i].complaint) != NULL, "%s: %s", refused[_i].line, complaint);
    ck_assert_int_eq(complaint[strlen(complaint) - 1], '\n');
    free(complaint);
}
END_TEST

START_TEST(helps)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    options_print_help(out);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "Usage: pythonx_port"));
    ck_assert_ptr_nonnull(strstr(text, "--max-frame BYTES"));
    free(text);
}
END_TEST

Suite *options_suite(void)
{
    Suite *suite = suite_create("options");
    TCase *tcase = tcase_create("reading");
    tcase_add_test(tcase, has_defaults);
    tcase_add_test(tcase, reads_every_option);
    tcase_add_loop_test(tcase, reads_commands, 0, (int)(sizeof commands / sizeof *commands));
    tcase_add_loop_test(tcase, says_what_is_wrong, 0, (int)(sizeof refused / sizeof *refused));
    tcase_add_test(tcase, helps);
    suite_add_tcase(suite, tcase);
    return suite;
}
