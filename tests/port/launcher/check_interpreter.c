/* Tests which Python is found, in layouts made for it: none of the fake interpreters is ever run, except the
 * scripts. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "launcher/interpreter.h"
#include "pythons.h"
#include "suites.h"

/* No script, as it has no #!, and nothing that could be run. */
#define BINARY                                                                                                         \
    "\x7f"                                                                                                             \
    "ELF"

static void make_folder(void)
{
    folder_make();
    unsetenv("PYTHONX_PYTHON");
    unsetenv("VIRTUAL_ENV");
    setenv("PATH", folder_path("path"), 1);
}

/* The usual installation of Python 3.12 under usr/. */
static void make_installation(void)
{
    folder_write_program("usr/bin/python3.12", BINARY);
    folder_link("usr/bin/python3", "python3.12");
    folder_write("usr/lib/libpython3.12.so.1.0", "");
}

static void expect(const char *python, const char *program, const char *library, int minor, bool asked)
{
    struct interpreter found;
    ck_assert(interpreter_find(python, &found));
    ck_assert_msg(found.problem == NULL, "%s", found.problem);
    ck_assert_str_eq(found.program, program);
    ck_assert_str_eq(found.library, library);
    ck_assert_int_eq(found.minor, minor);
    ck_assert(found.asked == asked);
    interpreter_free(&found);
    ck_assert_ptr_null(found.program);
}

static void expect_layout(const char *python, const char *program)
{
    expect(python, program, folder_path("usr/lib/libpython3.12.so.1.0"), 12, false);
}

static void expect_problem(const char *python, const char *part)
{
    struct interpreter found;
    ck_assert(interpreter_find(python, &found));
    ck_assert_ptr_nonnull(found.problem);
    ck_assert_msg(strstr(found.problem, part) != NULL, "expected '%s' in '%s'", part, found.problem);
    interpreter_free(&found);
}

/* -- layouts ------------------------------------------------------------------------------------------------------ */

START_TEST(reads_an_installation)
{
    make_installation();
    expect_layout(folder_path("usr/bin/python3.12"), folder_path("usr/bin/python3.12"));
    expect_layout(folder_path("usr/bin/python3"), folder_path("usr/bin/python3"));
}
END_TEST

START_TEST(finds_the_library_in_its_places)
{
    static const char *const places[] = {"usr/lib/libpython3.12.so.1.0", "usr/lib/libpython3.12.so",
                                         "usr/lib64/libpython3.12.so.1.0", "usr/lib64/libpython3.12.so"};
    folder_write_program("usr/bin/python3.12", BINARY);
    folder_link("usr/bin/python3", "python3.12");
    folder_write(places[_i], "");
    expect(folder_path("usr/bin/python3"), folder_path("usr/bin/python3"), folder_path(places[_i]), 12, false);
}
END_TEST

/* The interpreter that was named may be another version than its directory's python3. */
START_TEST(keeps_versions_apart)
{
    make_installation();
    folder_write_program("usr/bin/python3.13", BINARY);
    folder_write("usr/lib/libpython3.13.so.1.0", "");
    expect(folder_path("usr/bin/python3.13"), folder_path("usr/bin/python3.13"),
           folder_path("usr/lib/libpython3.13.so.1.0"), 13, false);
    expect_layout(folder_path("usr/bin/python3"), folder_path("usr/bin/python3"));
}
END_TEST

static void make_venv(const char *settings_format)
{
    char settings[4096];
    make_installation();
    snprintf(settings, sizeof settings, settings_format, folder_path("usr/bin"));
    folder_write("venv/pyvenv.cfg", settings);
    folder_link("venv/bin/python3", folder_path("usr/bin/python3"));
    folder_link("venv/bin/python", "python3");
}

/* A venv is recognized by the path of its python3, so that name is kept. */
START_TEST(reads_a_venv)
{
    static const char *const settings[] = {
        "home = %s\ninclude-system-site-packages = false\nversion = 3.12.1\n",
        "version = 3.12.1\r\nhome=%s\r\n",
        "  home   =   %s",
    };
    make_venv(settings[_i]);
    expect_layout(folder_path("venv/bin/python3"), folder_path("venv/bin/python3"));
    expect_layout(folder_path("venv/bin/python"), folder_path("venv/bin/python"));
}
END_TEST

/* With --copies the venv has an interpreter of its own, whose directory has no lib. */
START_TEST(reads_a_venv_of_copies)
{
    char settings[4096];
    make_installation();
    snprintf(settings, sizeof settings, "home = %s\n", folder_path("usr/bin"));
    folder_write("venv/pyvenv.cfg", settings);
    folder_write_program("venv/bin/python3", BINARY);
    expect_layout(folder_path("venv/bin/python3"), folder_path("venv/bin/python3"));
}
END_TEST

/* Its interpreter may be another than the python3 of the directory that it was copied from. */
START_TEST(reads_the_version_of_a_venv_of_copies)
{
    static const char *const versions[] = {"version = 3.13.1", "version_info = 3.13.1.final.0",
                                           "version = 3.13.0b1\nversion_info = 3.13.1"};
    char settings[4096];
    make_installation();
    folder_write("usr/lib/libpython3.13.so.1.0", "");
    snprintf(settings, sizeof settings, "home = %s\n%s\n", folder_path("usr/bin"), versions[_i]);
    folder_write("venv/pyvenv.cfg", settings);
    folder_write_program("venv/bin/python3", BINARY);
    expect(folder_path("venv/bin/python3"), folder_path("venv/bin/python3"),
           folder_path("usr/lib/libpython3.13.so.1.0"), 13, false);
}
END_TEST

/* A pypy3 beside a python3 is another program, and is run to find out. */
START_TEST(takes_no_other_program_for_python)
{
    make_installation();
    folder_write_program("usr/bin/pypy3", BINARY);
    expect_problem(folder_path("usr/bin/pypy3"), "/usr/bin/pypy3 could not be run");
}
END_TEST

/* The free-threaded interpreter beside the usual one has a library of its own. */
START_TEST(takes_no_free_threaded_python_for_the_usual)
{
    make_installation();
    folder_write_program("usr/bin/python3.12t", BINARY);
    expect_problem(folder_path("usr/bin/python3.12t"), "/usr/bin/python3.12t could not be run");
}
END_TEST

START_TEST(says_that_a_venv_lost_its_python)
{
    make_venv("home = %s\n");
    ck_assert_int_eq(unlink(folder_path("usr/bin/python3.12")), 0);
    expect_problem(folder_path("venv/bin/python"), "/usr/bin that the venv was made from is gone: make the venv again");
    /* A venv of copies is run before it is recognized. */
    folder_write("copies/pyvenv.cfg", "home = /nowhere/bin\n");
    folder_write_program("copies/bin/python3", "#!/bin/sh\nexit 1\n");
    expect_problem(folder_path("copies/bin/python3"), "the Python in /nowhere/bin that the venv was made from is gone");
}
END_TEST

/* -- which one ---------------------------------------------------------------------------------------------------- */

START_TEST(looks_on_the_path)
{
    make_installation();
    folder_link("path/python3", folder_path("usr/bin/python3"));
    folder_link("path/my-python", folder_path("usr/bin/python3"));
    expect_layout(NULL, folder_path("path/python3"));
    expect_layout("my-python", folder_path("path/my-python"));
}
END_TEST

START_TEST(passes_over_what_is_no_program)
{
    char path[4096];
    make_installation();
    snprintf(path, sizeof path, "%s:%s:%s:%s", folder_path("nowhere"), folder_path("first"), folder_path("second"),
             folder_path("usr/bin"));
    setenv("PATH", path, 1);
    folder_write("first/python3", "not executable");
    folder_write("second/python3/a_file", "a directory");
    expect_layout(NULL, folder_path("usr/bin/python3"));
}
END_TEST

START_TEST(prefers_what_is_closer)
{
    make_venv("home = %s\n");
    folder_link("path/python3", folder_path("usr/bin/python3.12"));
    expect_layout(NULL, folder_path("path/python3"));
    setenv("VIRTUAL_ENV", folder_path("venv"), 1);
    expect_layout(NULL, folder_path("venv/bin/python3"));
    setenv("PYTHONX_PYTHON", folder_path("usr/bin/python3"), 1);
    expect_layout(NULL, folder_path("usr/bin/python3"));
    expect_layout(folder_path("usr/bin/python3.12"), folder_path("usr/bin/python3.12"));
    setenv("PYTHONX_PYTHON", "", 1);
    setenv("VIRTUAL_ENV", "", 1);
    expect_layout(NULL, folder_path("path/python3"));
}
END_TEST

START_TEST(makes_paths_absolute)
{
    make_installation();
    ck_assert_int_eq(chdir(folder_path("usr")), 0);
    expect_layout("bin/python3", folder_path("usr/bin/python3"));
    setenv("PATH", ":/nowhere", 1);
    ck_assert_int_eq(chdir("bin"), 0);
    expect_layout(NULL, folder_path("usr/bin/./python3"));
}
END_TEST

START_TEST(says_what_is_not_there)
{
    expect_problem(NULL, "python3 was not found on PATH: install Python 3.11 or later, or name one");
    expect_problem("my-python", "my-python was not found on PATH");
    expect_problem(folder_path("none"), "/none is not there, or not an executable file");
    folder_write("file", BINARY);
    expect_problem(folder_path("file"), "/file is not there, or not an executable file");
    expect_problem(folder_path(""), "is not an executable file, but a folder: name the interpreter in it");
    setenv("VIRTUAL_ENV", folder_path("venv"), 1);
    expect_problem(NULL, "/venv/bin/python3 is not there");
}
END_TEST

/* -- asking ------------------------------------------------------------------------------------------------------- */

/* Writes a program that answers as an interpreter would: version, "t" for free-threaded, library, executable. */
static const char *make_answer(const char *version, const char *threads, const char *library)
{
    char script[4096];
    snprintf(script, sizeof script, "#!/bin/sh\nprintf '%%s\\n' '%s' '%s' '%s' '%s'\n", version, threads, library,
             folder_path("bin/python"));
    folder_write_program("bin/python", script);
    return folder_path("bin/python");
}

/* Also if the layout has an answer: a shim's is of another interpreter. */
START_TEST(runs_a_script)
{
    make_installation();
    folder_write("other/libpython3.13.so.1.0", "");
    const char *library = folder_path("other/libpython3.13.so.1.0");
    expect(make_answer("3.13", "", library), folder_path("bin/python"), library, 13, true);
    folder_link("usr/bin/python3.11", folder_path("bin/python"));
    expect(folder_path("usr/bin/python3.11"), folder_path("bin/python"), library, 13, true);
}
END_TEST

START_TEST(refuses_what_cannot_serve)
{
    expect_problem(make_answer("3.10", "", "/x"), "is Python 3.10: CPython 3.11 or later is needed");
    expect_problem(make_answer("2.7", "", "/x"), "is Python 2.7: CPython 3.11 or later is needed");
    expect_problem(make_answer("4.11", "", "/x"), "is Python 4.11: CPython 3.11 or later is needed");
    expect_problem(make_answer("3.13", "t", "/x"), "is a free-threaded build, which is not supported");
    expect_problem(make_answer("3.12", "", ""), "has no shared libpython3.12, and does not export");
    expect_problem(make_answer("3.12", "", folder_path("gone.so")), "has no shared libpython3.12, and does not export");
}
END_TEST

START_TEST(refuses_what_is_no_python)
{
    static const char *const scripts[] = {
        "#!/bin/sh\nexit 0\n",
        "#!/bin/sh\nexit 1\n",
        "#!/bin/sh\necho hello\n",
        "#!/bin/sh\nprintf 'x\\ny\\nz\\nu\\n'\n",
        "#!/bin/sh\nprintf '3.12\\n\\n/x\\n/y\\n'; exit 1\n",
        "#!/bin/sh\nkill -9 $$\n",
    };
    folder_write_program("bin/python", scripts[_i]);
    expect_problem(folder_path("bin/python"), "did not run a simple script: is it a Python interpreter?");
}
END_TEST

START_TEST(refuses_what_does_not_run)
{
    folder_write_program("bin/python", "#!/nowhere/at/all\n");
    expect_problem(folder_path("bin/python"), "/bin/python could not be run");
}
END_TEST

/* A long answer comes in pieces; the text that an interpreter writes to stderr is ignored. */
START_TEST(reads_a_long_answer)
{
    char script[8192], name[3000];
    setenv("PATH", "/usr/bin:/bin", 1);
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(script, sizeof script, "#!/bin/sh\ncat\nprintf '3.10\\n\\n\\n'\nsleep 0.1\nprintf '/%s/%s\\n'\n", name,
             name);
    folder_write_program("bin/python", script);
    expect_problem(folder_path("bin/python"), "is Python 3.10");
}
END_TEST

/* -- the real ones ------------------------------------------------------------------------------------------------ */

static void is_file(const char *path)
{
    struct stat status;
    ck_assert_msg(stat(path, &status) == 0 && S_ISREG(status.st_mode), "%s", path);
}

START_TEST(finds_a_real_python)
{
    struct interpreter found;
    ck_assert(interpreter_find(pythons_path(_i), &found));
    ck_assert_msg(found.problem == NULL, "%s", found.problem);
    ck_assert_str_eq(found.program, pythons_path(_i));
    is_file(found.library);
    interpreter_free(&found);
}
END_TEST

/* A script that starts a real one, as pyenv's and asdf's do. */
START_TEST(finds_a_real_python_behind_a_shim)
{
    char script[4096];
    struct interpreter found;
    setenv("PATH", "/usr/bin:/bin", 1);
    snprintf(script, sizeof script, "#!/bin/sh\nexec '%s' \"$@\"\n", pythons_path(_i));
    folder_write_program("shims/python3", script);
    ck_assert(interpreter_find(folder_path("shims/python3"), &found));
    ck_assert_msg(found.problem == NULL, "%s", found.problem);
    ck_assert(found.asked);
    ck_assert_str_eq(found.program, pythons_path(_i));
    is_file(found.library);
    interpreter_free(&found);
}
END_TEST

Suite *interpreter_suite(void)
{
    Suite *suite = suite_create("interpreter");
    TCase *tcase = tcase_create("finding");
    tcase_add_checked_fixture(tcase, make_folder, folder_remove);
    tcase_add_test(tcase, reads_an_installation);
    tcase_add_loop_test(tcase, finds_the_library_in_its_places, 0, 4);
    tcase_add_test(tcase, keeps_versions_apart);
    tcase_add_loop_test(tcase, reads_a_venv, 0, 3);
    tcase_add_test(tcase, reads_a_venv_of_copies);
    tcase_add_loop_test(tcase, reads_the_version_of_a_venv_of_copies, 0, 3);
    tcase_add_test(tcase, takes_no_other_program_for_python);
    tcase_add_test(tcase, takes_no_free_threaded_python_for_the_usual);
    tcase_add_test(tcase, says_that_a_venv_lost_its_python);
    tcase_add_test(tcase, looks_on_the_path);
    tcase_add_test(tcase, passes_over_what_is_no_program);
    tcase_add_test(tcase, prefers_what_is_closer);
    tcase_add_test(tcase, makes_paths_absolute);
    tcase_add_test(tcase, says_what_is_not_there);
    tcase_add_test(tcase, runs_a_script);
    tcase_add_test(tcase, refuses_what_cannot_serve);
    tcase_add_loop_test(tcase, refuses_what_is_no_python, 0, 6);
    tcase_add_test(tcase, refuses_what_does_not_run);
    tcase_add_test(tcase, reads_a_long_answer);
    tcase_add_loop_test(tcase, finds_a_real_python, 0, pythons_count());
    tcase_add_loop_test(tcase, finds_a_real_python_behind_a_shim, 0, pythons_count());
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
