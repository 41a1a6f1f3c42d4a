/* Tests children that Python forks: they end as under python3, have no part in the session, and do not harm it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "pythons.h"
#include "session_driver.h"
#include "suites.h"

static struct session *start(int _i, const char *crash_file)
{
    struct session *session = SESSION(.options = {crash_file == NULL ? NULL : "--crash-file", crash_file});
    /* From Python 3.12 on, Python warns of a fork beside threads. */
    session_send(session, "{exec, 0, %s}",
                 "import asyncio, erlang, os, sys, threading, time, warnings\nwarnings.simplefilter('ignore')\n"
                 "def status(child): return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
                 "log = []");
    session_expect(session, "{ok,0,nil}");
    return session;
}

/* -- how a child ends --------------------------------------------------------------------------------------------- */

/* The code of the child, its exit status, and its text on stderr. */
static const struct {
    const char *code, *status, *errors;
} ends[] = {
    {"pass", "0", ""},
    {"raise ValueError('in the child')", "1", "ValueError: in the child"},
    {"1 / 0", "1", "ZeroDivisionError"},
    {"sys.exit()", "0", ""},
    {"sys.exit(3)", "3", ""},
    {"sys.exit('a last word')", "1", "a last word"},
    {"raise KeyboardInterrupt", "1", "KeyboardInterrupt"},
    {"os._exit(4)", "4", ""},
    {"os.kill(os.getpid(), 9)", "-9", ""},
    {"erlang.call('m', 'f')", "1", "a forked child has no connection to the BEAM"},
    {"erlang.send('m', 1)", "1", "a forked child has no connection to the BEAM"},
};
#define ENDS (sizeof ends / sizeof *ends)

static void check_ends(struct session *session, const char *format)
{
    for (size_t i = 0; i < ENDS; i++) {
        char *code;
        ck_assert_int_ge(asprintf(&code, format, ends[i].code), 0);
        session_expect_value(session, code, ends[i].status);
        ck_assert_msg(strstr(session_errors(session), ends[i].errors) != NULL, "no %s in %s", ends[i].errors,
                      session_errors(session));
        free(code);
    }
    session_expect_alive(session);
    session_end(session, 0);
}

START_TEST(ends_a_child_of_a_request)
{
    check_ends(start(_i, NULL), "child = os.fork()\nif child == 0: %s\nstatus(child) if child else None");
}
END_TEST

START_TEST(ends_a_child_of_a_function)
{
    check_ends(start(_i, NULL), "def fork():\n    child = os.fork()\n    if child == 0: %s\n    return child\ngot = "
                                "fork()\nstatus(got) if got else None");
}
END_TEST

START_TEST(ends_a_child_of_a_coroutine)
{
    check_ends(start(_i, NULL),
               "async def fork():\n    await asyncio.sleep(0)\n    child = os.fork()\n    if child == 0: %s\n"
               "    return status(child) if child else None\nawait fork()");
}
END_TEST

START_TEST(ends_a_child_of_a_thread)
{
    check_ends(start(_i, NULL),
               "def fork():\n    child = os.fork()\n    if child == 0:\n        %s\n        os._exit(0)\n"
               "    log[:] = [status(child)]\n"
               "def run():\n    try: fork()\n    except BaseException as error:\n"
               "        import traceback\n"
               "        if not isinstance(error, SystemExit): traceback.print_exc()\n"
               "        os._exit(1 if not isinstance(error, SystemExit) or isinstance(error.code, str) "
               "and not print(error.code, file=sys.stderr) else error.code or 0)\n"
               "thread = threading.Thread(target=run)\nthread.start(); thread.join(); log[0]");
}
END_TEST

/* -- a generator that forks --------------------------------------------------------------------------------------- */

/* The child would go on with the stream, and with the queued jobs; its files take the descriptors that were the
 * session's. */
static const char forking[] = "def items():\n"
                              "    yield 0\n"
                              "    while len(log) == 0: time.sleep(0.001)\n"
                              "    child = os.fork()\n"
                              "    if child == 0:\n"
                              "        global kept\n"
                              "        kept = [open(folder + '/child%d' % n, 'w+b', 0) for n in range(5)]\n"
                              "        yield 'from the child'\n"
                              "        return\n"
                              "    yield status(child)\n"
                              "threading.Timer(0.05, log.append, [1]).start()\n"
                              "items()";

START_TEST(serves_nothing_in_a_child_of_a_stream)
{
    struct session *session = start(_i, NULL);
    session_send(session, "{exec, 0, 'folder = path', #{bindings => #{path => %s}}}", folder_path(""));
    session_expect(session, "{ok,0,nil}");
    session_send(session, "{stream, 5, %s}", forking);
    session_send(session, "{next, 5, 1}");
    session_expect(session, "{yield,5,0}");
    session_send(session, "{next, 5, 2}");
    for (int i = 0; i < 3; i++)
        session_send(session, "{eval, 6, %s}",
                     "with open(folder + '/ran', 'a') as file: file.write('%d\\n' % os.getpid())");
    /* They may run before the second item, which takes its time. */
    for (int i = 0; i < 5; i++) {
        const char *frame = session_next(session);
        ck_assert_msg(frame != NULL && (strcmp(frame, "{ok,6,nil}") == 0 || strcmp(frame, "{yield,5,0}") == 0 ||
                                        strcmp(frame, "{ok,5,nil}") == 0),
                      "got %s\n%s", frame, session_errors(session));
    }
    session_expect_value(session, "[int(line) == os.getpid() for line in open(folder + '/ran')]", "[true,true,true]");
    session_expect_value(session, "[os.path.getsize(folder + '/child%d' % n) for n in range(5)]", "[0,0,0,0,0]");
    session_end(session, 0);
}
END_TEST

/* -- locks -------------------------------------------------------------------------------------------------------- */

/* Other threads call the BEAM, write and log while children are forked: the threads that hold locks at that moment do
 * not exist in the child, which calls as well. */
static const char busy[] = "import logging\n"
                           "go_on = True\n"
                           "def work():\n"
                           "    while go_on:\n"
                           "        erlang.send('test', 1); print('x'); logging.warning('y')\n"
                           "threads = [threading.Thread(target=work) for _ in range(3)]\n"
                           "for thread in threads: thread.start()\n"
                           "def fork():\n"
                           "    child = os.fork()\n"
                           "    if child: return status(child)\n"
                           "    try: erlang.call('m', 'f')\n"
                           "    except RuntimeError: os._exit(7)\n"
                           "    os._exit(8)\n"
                           "got = {fork() for _ in range(20)}\n"
                           "go_on = False\n"
                           "for thread in threads: thread.join()\n"
                           "sorted(got)";

START_TEST(refuses_calls_of_a_child_whatever_lock_was_held)
{
    struct session *session = start(_i, NULL);
    session_send(session, "{eval, 5, %s}", busy);
    const char *frame;
    do
        frame = session_next_reply(session);
    while (frame != NULL && strncmp(frame, "{send,", 6) == 0);
    ck_assert_str_eq(frame, "{ok,5,[7]}");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* -- crashes ------------------------------------------------------------------------------------------------------ */

START_TEST(leaves_the_crash_file_to_the_session)
{
    struct session *session = start(_i, folder_path("crash"));
    session_expect_value(
        session, "import ctypes\nchild = os.fork()\nif child == 0: ctypes.string_at(0)\nstatus(child) < 0", "true");
    ck_assert_int_ne(access(folder_path("crash"), F_OK), 0);
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

Suite *session_forks_suite(void)
{
    Suite *suite = suite_create("session_forks");
    TCase *tcase = tcase_create("forks");
    int count = pythons_count();
    tcase_set_timeout(tcase, 20);
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_add_loop_test(tcase, ends_a_child_of_a_request, 0, count);
    tcase_add_loop_test(tcase, ends_a_child_of_a_function, 0, count);
    tcase_add_loop_test(tcase, ends_a_child_of_a_coroutine, 0, count);
    tcase_add_loop_test(tcase, ends_a_child_of_a_thread, 0, count);
    tcase_add_loop_test(tcase, serves_nothing_in_a_child_of_a_stream, 0, count);
    tcase_add_loop_test(tcase, refuses_calls_of_a_child_whatever_lock_was_held, 0, count);
    tcase_add_loop_test(tcase, leaves_the_crash_file_to_the_session, 0, count);
    suite_add_tcase(suite, tcase);
    return suite;
}
