/* Reads options with getopt_long(3), and checks every number as a whole. */
#include "launcher/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/oom_score.h"
#include "wire/frame.h"
#include "wire/protocol.h"

#define DEFAULT_LINGER_MS 1000
#define DEFAULT_SEGMENT_LIMIT ((size_t)1024 * 1024 * 1024)
#define SPIN_MAX_US 1000000

enum option_code {
    OPTION_PYTHON = 256,
    OPTION_HOST,
    OPTION_FDS,
    OPTION_MAX_FRAME,
    OPTION_MEMORY_LIMIT,
    OPTION_SEGMENT_LIMIT,
    OPTION_MAX_RESULT,
    OPTION_ATOM_LIMIT,
    OPTION_OOM_SCORE_ADJ,
    OPTION_SPIN,
    OPTION_LINGER,
    OPTION_CHILDREN,
    OPTION_CRASH_FILE,
    OPTION_MAPSET_VERSION,
    OPTION_QUIET,
    OPTION_HELP,
    OPTION_VERSION,
};

static const struct option long_options[] = {
    {"python", required_argument, NULL, OPTION_PYTHON},
    {"host", required_argument, NULL, OPTION_HOST},
    {"fds", required_argument, NULL, OPTION_FDS},
    {"max-frame", required_argument, NULL, OPTION_MAX_FRAME},
    {"memory-limit", required_argument, NULL, OPTION_MEMORY_LIMIT},
    {"segment-limit", required_argument, NULL, OPTION_SEGMENT_LIMIT},
    {"max-result", required_argument, NULL, OPTION_MAX_RESULT},
    {"atom-limit", required_argument, NULL, OPTION_ATOM_LIMIT},
    {"oom-score-adj", required_argument, NULL, OPTION_OOM_SCORE_ADJ},
    {"spin", required_argument, NULL, OPTION_SPIN},
    {"linger", required_argument, NULL, OPTION_LINGER},
    {"children", required_argument, NULL, OPTION_CHILDREN},
    {"crash-file", required_argument, NULL, OPTION_CRASH_FILE},
    {"mapset-version", required_argument, NULL, OPTION_MAPSET_VERSION},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static const char help[] =
    "Usage: pythonx_port [options]          serve: frames of Erlang terms on stdin and stdout\n"
    "       pythonx_port encode             Erlang terms as text on stdin, frames on stdout\n"
    "       pythonx_port decode             frames on stdin, Erlang terms as text on stdout\n"
    "       pythonx_port doctor [options]   print which Python is found, and what is wrong with it\n"
    "       pythonx_port lock FILE          hold a lock on a file until the input ends\n"
    "       pythonx_port guard PROGRAM ...  run a program, and end it when the input ends\n"
    "\n"
    "Runs Python for a program on the BEAM, which starts it with open_port. By hand:\n"
    "  echo '{eval, 1, <<\"1+1\">>}.' | pythonx_port encode | pythonx_port | pythonx_port decode\n"
    "\n"
    "Options:\n"
    "  --python PATH           the interpreter, or a venv's bin/python; else $PYTHONX_PYTHON,\n"
    "                          $VIRTUAL_ENV/bin/python3, or python3 on PATH\n"
    "  --host WHAT             library or executable: load libpython, or run in the interpreter's own\n"
    "                          program; else $PYTHONX_HOST, or the program if it exports Python's API\n"
    "  --fds IN,OUT            descriptors for frames instead of 0,1 (3,4 for nouse_stdio)\n"
    "  --max-frame BYTES       longest frame that is accepted (4294967295)\n"
    "  --memory-limit BYTES    most address space that the process may have (no limit)\n"
    "  --segment-limit BYTES   most shared memory for bulk data; 0: none (1073741824)\n"
    "  --max-result BYTES      longest term that Python may send: a result, an item, a message (no limit)\n"
    "  --atom-limit N          how many atoms that the client does not know Python may send (10000)\n"
    "  --oom-score-adj N       how soon the kernel kills the process if memory runs out, -1000 to 1000 (500)\n"
    "  --spin USEC             poll this long for a next request before sleeping (0)\n"
    "  --linger MSEC           after the end of the input, how long a request may still take (1000)\n"
    "  --children WHAT         end or keep: what becomes of processes that Python has started (end)\n"
    "  --crash-file PATH       where Python's traceback goes when a fatal signal ends the process (stderr)\n"
    "  --mapset-version N      make %MapSet{} structs with this version field, for Elixir before 1.15\n"
    "  --quiet                 do not say on stderr which problem with Python keeps a session from starting\n"
    "  --help, --version\n";

void options_print_help(FILE *out)
{
    fputs(help, out);
}

static bool complain(const char *option, const char *expected, const char *got)
{
    fprintf(stderr, "pythonx_port: --%s: expected %s, got '%s'\n", option, expected, got);
    return false;
}

/* Reads a whole decimal number from fewest to most, ended by `end`. */
static bool read_number(const char *text, unsigned long long fewest, unsigned long long most,
                        unsigned long long *number, char end, const char **rest)
{
    char *stop;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *number = strtoull(text, &stop, 10);
    if (errno != 0 || *stop != end || *number < fewest || *number > most)
        return false;
    if (rest != NULL)
        *rest = stop + 1;
    return true;
}

/* Reads a whole number that may be negative. */
static bool read_oom_score(const char *text, struct options *options)
{
    bool negative = *text == '-';
    unsigned long long number;
    if (!read_number(negative ? text + 1 : text, 0, OOM_SCORE_MOST, &number, '\0', NULL))
        return complain("oom-score-adj", "a number from -1000 to 1000", text);
    options->oom_score = negative ? -(int)number : (int)number;
    options->has_oom_score = true;
    return true;
}

enum host options_host(const char *name)
{
    if (strcmp(name, "library") == 0)
        return HOST_LIBRARY;
    return strcmp(name, "executable") == 0 ? HOST_EXECUTABLE : HOST_ANY;
}

static bool read_fds(const char *text, struct engine_options *engine)
{
    unsigned long long in, out;
    const char *rest;
    if (!read_number(text, 0, INT_MAX, &in, ',', &rest) || !read_number(rest, 0, INT_MAX, &out, '\0', NULL))
        return complain("fds", "two descriptors such as 3,4", text);
    engine->input_fd = (int)in;
    engine->output_fd = (int)out;
    return true;
}

static bool read_children(const char *text, struct engine_options *engine)
{
    engine->end_children = strcmp(text, "end") == 0;
    return engine->end_children || strcmp(text, "keep") == 0 || complain("children", "end or keep", text);
}

static bool read_size(const char *option, const char *expected, const char *text, unsigned long long fewest,
                      unsigned long long most, size_t *size)
{
    unsigned long long number;
    if (!read_number(text, fewest, most, &number, '\0', NULL))
        return complain(option, expected, text);
    *size = (size_t)number;
    return true;
}

static bool read_option(enum option_code option, const char *value, struct options *options)
{
    unsigned long long number = 0;
    switch (option) {
    case OPTION_PYTHON:
        options->python = value;
        return *value != '\0' || complain("python", "the path of an interpreter", value);
    case OPTION_HOST:
        options->host = options_host(value);
        return options->host != HOST_ANY || complain("host", "library or executable", value);
    case OPTION_FDS:
        return read_fds(value, &options->engine);
    case OPTION_MAX_FRAME:
        return read_size("max-frame", "bytes, from 1 to 4294967295", value, 1, FRAME_LENGTH_MAX,
                         &options->engine.max_frame);
    case OPTION_MEMORY_LIMIT:
        if (!read_number(value, 1, ULLONG_MAX / 2, &options->memory_limit, '\0', NULL))
            return complain("memory-limit", "a number of bytes", value);
        return true;
    case OPTION_SEGMENT_LIMIT:
        return read_size("segment-limit", "a number of bytes", value, 0, SIZE_MAX / 2, &options->engine.segment_limit);
    case OPTION_MAX_RESULT:
        return read_size("max-result", "a number of bytes", value, 1, SIZE_MAX / 2, &options->engine.max_result);
    case OPTION_ATOM_LIMIT:
        return read_size("atom-limit", "a number of atoms", value, 0, UINT32_MAX, &options->engine.atom_limit);
    case OPTION_OOM_SCORE_ADJ:
        return read_oom_score(value, options);
    case OPTION_SPIN:
        if (!read_number(value, 0, SPIN_MAX_US, &number, '\0', NULL))
            return complain("spin", "microseconds, from 0 to 1000000", value);
        options->engine.spin_us = (unsigned)number;
        return true;
    case OPTION_LINGER:
        if (!read_number(value, 0, INT_MAX, &number, '\0', NULL))
            return complain("linger", "a number of milliseconds", value);
        options->engine.linger_ms = (unsigned)number;
        return true;
    case OPTION_CHILDREN:
        return read_children(value, &options->engine);
    case OPTION_QUIET:
        options->quiet = true;
        return true;
    case OPTION_CRASH_FILE:
        options->engine.crash_file = value;
        return *value != '\0' || complain("crash-file", "a path", value);
    case OPTION_MAPSET_VERSION:
        if (!read_number(value, 0, INT_MAX, &number, '\0', NULL))
            return complain("mapset-version", "a number", value);
        options->engine.mapset_version = (long)number;
        return true;
    case OPTION_HELP:
        options->command = COMMAND_HELP;
        return true;
    case OPTION_VERSION:
        options->command = COMMAND_VERSION;
        return true;
    }
    return false;
}

static bool read_command(const char *word, struct options *options)
{
    static const struct {
        const char *word;
        enum command command;
    } commands[] = {{"encode", COMMAND_ENCODE}, {"decode", COMMAND_DECODE}, {"doctor", COMMAND_DOCTOR}};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(word, commands[i].word) == 0) {
            if (options->command == COMMAND_SERVE)
                options->command = commands[i].command;
            return true;
        }
    }
    fprintf(stderr, "pythonx_port: unknown command '%s' (--help lists what there is)\n", word);
    return false;
}

bool options_read(int argc, char **argv, struct options *options)
{
    *options = (struct options){.arguments = argv,
                                .engine = {.input_fd = 0,
                                           .output_fd = 1,
                                           .max_frame = FRAME_LENGTH_MAX,
                                           .segment_limit = DEFAULT_SEGMENT_LIMIT,
                                           .atom_limit = PROTOCOL_ATOM_LIMIT,
                                           .linger_ms = DEFAULT_LINGER_MS,
                                           .end_children = true,
                                           .mapset_version = -1}};
    int found;
    while ((found = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        /* For '?' getopt_long has already reported what is wrong. */
        if (found == '?' || !read_option((enum option_code)found, optarg, options))
            return false;
    }
    if (optind + 1 < argc) {
        fprintf(stderr, "pythonx_port: one command at a time, got '%s' and '%s'\n", argv[optind], argv[optind + 1]);
        return false;
    }
    return optind == argc || read_command(argv[optind], options);
}
