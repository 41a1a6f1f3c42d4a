/* Tests in which program a session runs, and what the files of programs say about that. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "builds.h"
#include "folder.h"
#include "launcher/elf.h"
#include "launcher/host.h"
#include "launcher/interpreter.h"
#include "launcher/options.h"
#include "suites.h"

static const char *const names[] = {"Py_InitializeEx", "__libc_start_main", "no_such_function"};
#define NAMES 3

/* Returns the path of a file that make has built beside the program. */
static const char *built_path(const char *name)
{
    static char path[4096];
    const char *port = getenv("PYTHONX_PORT");
    ck_assert_ptr_nonnull(port);
    snprintf(path, sizeof path, "%.*s/%s", (int)(strrchr(port, '/') - port), port, name);
    return path;
}

static void expect_symbols(const char *path, enum elf_symbol first, enum elf_symbol second)
{
    enum elf_symbol found[NAMES];
    elf_find_symbols(path, names, found, NAMES);
    ck_assert_int_eq(found[0], first);
    ck_assert_int_eq(found[1], second);
    ck_assert_int_eq(found[2], ELF_SYMBOL_ABSENT);
}

/* -- files -------------------------------------------------------------------------------------------------------- */

START_TEST(finds_symbols)
{
    expect_symbols(built_path("exports_python"), ELF_SYMBOL_DEFINED, ELF_SYMBOL_UNDEFINED);
    expect_symbols(built_path("pythonx_engine.so"), ELF_SYMBOL_UNDEFINED, ELF_SYMBOL_ABSENT);
    ck_assert(host_is_executable(built_path("exports_python")));
    ck_assert(!host_is_executable(built_path("pythonx_engine.so")));
    ck_assert(!host_is_executable(built_path("pythonx_port")));
}
END_TEST

START_TEST(finds_nothing_in_other_files)
{
    folder_write("empty", "");
    folder_write("text", "#!/bin/sh\necho Py_InitializeEx __libc_start_main\n");
    folder_write("start", "\x7f"
                          "ELF");
    static const char *const paths[] = {"empty", "text", "start", "none", ""};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        expect_symbols(folder_path(paths[i]), ELF_SYMBOL_ABSENT, ELF_SYMBOL_ABSENT);
}
END_TEST

struct bytes {
    unsigned char *at;
    size_t count;
};

static struct bytes read_program(void)
{
    static unsigned char bytes[1 << 20];
    FILE *file = fopen(built_path("exports_python"), "re");
    ck_assert_ptr_nonnull(file);
    struct bytes program = {.at = bytes, .count = fread(bytes, 1, sizeof bytes, file)};
    ck_assert(program.count > 64 && program.count < sizeof bytes);
    fclose(file);
    return program;
}

static void write_program(struct bytes program)
{
    FILE *file = fopen(folder_path("changed"), "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(program.at, 1, program.count, file), program.count);
    fclose(file);
}

/* A download that broke off, or a full disk. The table of sections comes last; what it says first may be enough. */
START_TEST(survives_files_that_are_cut_off)
{
    struct bytes program = read_program();
    enum elf_symbol found[NAMES];
    for (size_t length = 1; length < program.count; length += length < 128 ? 1 : 97) {
        write_program((struct bytes){.at = program.at, .count = length});
        elf_find_symbols(folder_path("changed"), names, found, NAMES);
        ck_assert(found[0] == ELF_SYMBOL_ABSENT || length > program.count / 2);
    }
}
END_TEST

/* Each field of the header with each of some numbers, and the table of sections with some at random. */
START_TEST(survives_files_that_are_broken)
{
    static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
    struct bytes program = read_program();
    enum elf_symbol found[NAMES];
    for (size_t at = 0; at < 64; at++) {
        unsigned char before = program.at[at];
        for (size_t i = 0; i < sizeof values; i++) {
            program.at[at] = values[i];
            write_program(program);
            elf_find_symbols(folder_path("changed"), names, found, NAMES);
        }
        program.at[at] = before;
    }
    srand(1);
    for (int round = 0; round < 2000; round++) {
        size_t at = program.count - 1 - (size_t)rand() % 2500;
        unsigned char before = program.at[at];
        program.at[at] = (unsigned char)rand();
        write_program(program);
        elf_find_symbols(folder_path("changed"), names, found, NAMES);
        program.at[at] = before;
    }
}
END_TEST

/* -- the choice --------------------------------------------------------------------------------------------------- */

static char library[] = "/lib/libpython3.12.so.1.0", executable[] = "/bin/python3.12";

static void expect_choice(const char *wish, bool has_library, bool has_executable, enum host host, const char *problem)
{
    struct options options = {.host = options_host(wish)};
    struct interpreter interpreter = {.library = has_library ? library : NULL,
                                      .executable = has_executable ? executable : NULL};
    const char *got;
    ck_assert_int_eq(host_choose(&options, &interpreter, &got), host);
    if (problem == NULL)
        ck_assert_msg(got == NULL, "%s", got);
    else
        ck_assert_msg(got != NULL && strstr(got, problem) != NULL, "%s", got);
    setenv("PYTHONX_HOST", wish, 1);
    options.host = HOST_ANY;
    ck_assert_int_eq(host_choose(&options, &interpreter, &got), host);
    ck_assert((got == NULL) == (problem == NULL));
    unsetenv("PYTHONX_HOST");
}

START_TEST(chooses)
{
    unsetenv("PYTHONX_HOST");
    expect_choice("", true, true, HOST_EXECUTABLE, NULL);
    expect_choice("", true, false, HOST_LIBRARY, NULL);
    expect_choice("", false, true, HOST_EXECUTABLE, NULL);
    expect_choice("library", true, true, HOST_LIBRARY, NULL);
    expect_choice("library", false, true, HOST_LIBRARY, "has no shared libpython");
    expect_choice("executable", true, true, HOST_EXECUTABLE, NULL);
    expect_choice("executable", true, false, HOST_EXECUTABLE, "does not export Python's API");
}
END_TEST

START_TEST(prefers_the_option)
{
    struct options options = {.host = HOST_LIBRARY};
    struct interpreter interpreter = {.library = library, .executable = executable};
    const char *problem;
    setenv("PYTHONX_HOST", "executable", 1);
    ck_assert_int_eq(host_choose(&options, &interpreter, &problem), HOST_LIBRARY);
    ck_assert_ptr_null(problem);
    setenv("PYTHONX_HOST", "docker", 1);
    ck_assert_int_eq(host_choose(&options, &interpreter, &problem), HOST_LIBRARY);
    ck_assert_ptr_null(problem);
    options.host = HOST_ANY;
    (void)host_choose(&options, &interpreter, &problem);
    ck_assert_str_eq(problem, "PYTHONX_HOST is neither library nor executable");
    unsetenv("PYTHONX_HOST");
}
END_TEST

/* Needs no script and no library. */
START_TEST(finds_an_interpreter_without_a_library)
{
    struct interpreter found;
    struct bytes program = read_program();
    write_program(program);
    folder_write("usr/bin/other", "");
    ck_assert_int_eq(rename(folder_path("changed"), folder_path("usr/bin/python3.12")), 0);
    ck_assert_int_eq(chmod(folder_path("usr/bin/python3.12"), 0755), 0);
    folder_link("usr/bin/python3", "python3.12");
    ck_assert(interpreter_find(folder_path("usr/bin/python3"), &found));
    ck_assert_msg(found.problem == NULL, "%s", found.problem);
    ck_assert_str_eq(found.program, folder_path("usr/bin/python3"));
    ck_assert_str_eq(found.executable, folder_path("usr/bin/python3.12"));
    ck_assert_ptr_null(found.library);
    ck_assert_int_eq(found.minor, 12);
    ck_assert(!found.asked);
    interpreter_free(&found);
}
END_TEST

Suite *host_suite(void)
{
    Suite *suite = suite_create("host");
    TCase *tcase = tcase_create("programs");
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    if (BUILD_HAS_HOOK) {
        tcase_add_test(tcase, finds_symbols);
        tcase_add_test(tcase, finds_an_interpreter_without_a_library);
        tcase_add_test(tcase, chooses);
        tcase_add_test(tcase, prefers_the_option);
    }
    tcase_add_test(tcase, finds_nothing_in_other_files);
    tcase_add_test(tcase, survives_files_that_are_cut_off);
    tcase_add_test(tcase, survives_files_that_are_broken);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return suite;
}
