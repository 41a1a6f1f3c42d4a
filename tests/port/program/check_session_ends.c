/* Tests sessions under each interpreter: how they end, and what they survive. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "folder.h"
#include "pythons.h"
#include "session_driver.h"
#include "suites.h"
#include "time_factor.h"

static void expect_part(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "expected '%s' in '%s'", part, text);
}

/* -- Python ends it ----------------------------------------------------------------------------------------------- */

/* The output ends without a reply. */
static void expect_death(struct session *session, int status)
{
    const char *reply = session_next_reply(session);
    ck_assert_msg(reply == NULL, "%s", reply);
    int got = session_wait(session);
    ck_assert_msg(got == status, "ended with %d instead of %d: %s", got, status, session_errors(session));
}

START_TEST(ends_as_python_code_says)
{
    static const struct {
        const char *code;
        int status;
    } ends[] = {
        {"import os\nos._exit(3)", 3},
        {"import os\nos._exit(0)", 0},
        {"import os\nprint('before')\nos._exit(7)", 7},
        {"import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", -SIGKILL},
        {"import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", -SIGTERM},
        {"import os, threading\nthreading.Thread(target=os._exit, args=[5]).start()\nthreading.Event().wait()", 5},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct session *session = SESSION();
        session_send(session, "{exec, 1, %s}", ends[i].code);
        expect_death(session, ends[i].status);
        session_free(session);
    }
}
END_TEST

/* Code that closes descriptors that are not its own closes the stream, too. */
START_TEST(ends_without_its_descriptors)
{
#ifdef __SANITIZE_ADDRESS__
    return; /* the memory of the reader thread seems lost once that has ended */
#endif
    struct session *session = SESSION();
    session_send(session, "{exec, 1, 'import os\nos.closerange(3, 1000)'}");
    expect_death(session, 4);
    session_free(session);
}
END_TEST

/* An interrupt from a terminal ends it, also while it waits. */
START_TEST(ends_at_an_interrupt)
{
    struct session *session = SESSION();
    session_expect_alive(session);
    ck_assert_int_eq(kill(session_pid(session), SIGINT), 0);
    expect_death(session, -SIGINT);
    session_free(session);
}
END_TEST

static const struct {
    const char *code, *cause;
    int signal;
} crashes[] = {
    {"import ctypes\ndef crash():\n    ctypes.string_at(0)\ncrash()", "Fatal Python error: Segmentation fault",
     SIGSEGV},
    {"import os\ndef crash():\n    os.abort()\ncrash()", "Fatal Python error: Aborted", SIGABRT},
    {"import ctypes\ndef crash():\n    ctypes.CDLL(None).raise_(8)\n"
     "import os, signal\ndef crash():\n    os.kill(os.getpid(), signal.SIGFPE)\ncrash()",
     "Fatal Python error: Floating", SIGFPE},
    {"import ctypes, threading\ndef crash():\n    ctypes.string_at(0)\n"
     "threading.Thread(target=crash).start()\nthreading.Event().wait()",
     "Fatal Python error: Segmentation fault", SIGSEGV},
};

#define CRASHES (sizeof crashes / sizeof *crashes)

static char *read_file(const char *path)
{
    char *text = calloc(1, 10000);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s is not there", path);
    ck_assert_uint_lt(fread(text, 1, 9999, file), 9999);
    fclose(file);
    return text;
}

/* The file is created at the moment of the crash, and only its owner can read it. */
START_TEST(leaves_a_traceback_in_the_crash_file)
{
    struct stat status;
    for (size_t i = 0; i < CRASHES; i++) {
        struct session *session = SESSION(.options = {"--crash-file", folder_path("crash")});
        session_expect_alive(session);
        ck_assert_int_ne(stat(folder_path("crash"), &status), 0);
        session_send(session, "{exec, 1, %s}", crashes[i].code);
        expect_death(session, -crashes[i].signal);
        ck_assert_int_eq(stat(folder_path("crash"), &status), 0);
        ck_assert_uint_eq(status.st_mode & 0777, 0600);
        char *text = read_file(folder_path("crash"));
        expect_part(text, crashes[i].cause);
        expect_part(text, "File \"<eval ");
        expect_part(text, "in crash");
        free(text);
        unlink(folder_path("crash"));
        session_free(session);
    }
}
END_TEST

START_TEST(leaves_a_traceback_on_stderr)
{
    struct session *session = SESSION();
    session_send(session, "{exec, 1, %s}", crashes[0].code);
    expect_death(session, -SIGSEGV);
    expect_part(session_errors(session), crashes[0].cause);
    expect_part(session_errors(session), "in crash");
    session_free(session);
}
END_TEST

START_TEST(leaves_no_crash_file_without_a_crash)
{
    struct stat status;
    struct session *session = SESSION(.options = {"--crash-file", folder_path("crash")});
    session_end(session, 0);
    session = SESSION(.options = {"--crash-file", folder_path("crash")});
    session_send(session, "{exec, 1, 'import os\nos._exit(3)'}");
    expect_death(session, 3);
    session_free(session);
    ck_assert_int_ne(stat(folder_path("crash"), &status), 0);
}
END_TEST

/* A crash ends the process even if the file cannot be created. */
START_TEST(crashes_without_its_crash_file)
{
    struct session *session = SESSION(.options = {"--crash-file", "/nowhere/at/all"});
    session_send(session, "{exec, 1, %s}", crashes[0].code);
    expect_death(session, -SIGSEGV);
    session_free(session);
}
END_TEST

/* -- forks -------------------------------------------------------------------------------------------------------- */

START_TEST(goes_on_after_a_fork)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, 'import os\nchild = os.fork()\nprint(child == 0)\nchild > 0'}");
    const char *reply = session_next(session);
    /* From Python 3.12 on, Python warns of a fork beside threads. */
    while (strncmp(reply, "{log,1,warning,", 15) == 0)
        reply = session_next(session);
    ck_assert_str_eq(reply, "{output,1,stdout,'False\n'}");
    session_expect(session, "{ok,1,true}");
    session_expect_value(session, "os.waitpid(child, 0)[1]", "0");
    expect_part(session_errors(session), "True\n");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

static const char *const forks[] = {
    "import multiprocessing\n"
    "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
    "    values = pool.map(abs, range(-50, 0))\n"
    "sum(values)",
    "import multiprocessing\n"
    "def work(queue):\n"
    "    print('in the child')\n"
    "    queue.put(1275)\n"
    "context = multiprocessing.get_context('fork')\n"
    "queue = context.SimpleQueue()\n"
    "process = context.Process(target=work, args=[queue])\n"
    "process.start()\n"
    "value = queue.get()\n"
    "process.join()\n"
    "value",
    "import os\n"
    "if os.fork() == 0:\n"
    "    raise SystemExit(4)\n"
    "1275 if os.waitstatus_to_exitcode(os.wait()[1]) == 4 else None",
    "import os\n"
    "if os.fork() == 0:\n"
    "    raise ValueError('in the child')\n"
    "1275 if os.waitstatus_to_exitcode(os.wait()[1]) == 1 else None",
    "import os\n"
    "if os.fork() == 0:\n"
    "    os.write(1, b'child')\n"
    "    os._exit(4)\n"
    "1275 if os.waitstatus_to_exitcode(os.wait()[1]) == 4 else None",
    "import os, sys\n"
    "if os.fork() == 0:\n"
    "    os.execv(sys.executable, [sys.executable, '-c', 'print(5)'])\n"
    "1275 if os.wait()[1] == 0 else None",
    "import os, subprocess\n"
    "def fork_twice():\n"
    "    if os.fork() == 0:\n"
    "        if os.fork() == 0:\n"
    "            subprocess.run(['echo', 'grandchild'])\n"
    "        else:\n"
    "            os.wait()\n"
    "        return None\n"
    "    os.wait()\n"
    "    return 1275\n"
    "fork_twice()",
};

START_TEST(keeps_children_out_of_the_stream)
{
    struct session *session = SESSION();
    for (size_t i = 0; i < sizeof forks / sizeof *forks; i++) {
        session_expect_value(session, forks[i], "1275");
        session_expect_alive(session);
    }
    expect_part(session_errors(session), "in the child");
    session_end(session, 0);
}
END_TEST

/* A child that outlives the session does not keep the stream open. */
START_TEST(ends_without_its_children)
{
    struct session *session = SESSION(.options = {"--children", "keep"});
    session_send(session, "{eval, 1, %s}",
                 "import os, time\n"
                 "child = os.fork()\n"
                 "if child == 0: time.sleep(100)\n"
                 "child");
    const char *reply = session_next_reply(session);
    pid_t child = atoi(reply + strlen("{ok,1,"));
    ck_assert_msg(child > 0, "%s", reply);
    session_send(session, "{stop, 2}");
    session_expect(session, "{ok,2,nil}");
    ck_assert_ptr_null(session_next(session));
    ck_assert_int_eq(session_wait(session), 0);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    session_free(session);
}
END_TEST

/* -- what the engine holds for the user -------------------------------------------------------------------------- */

static void expect_file(const char *name, const char *text)
{
    char *got = read_file(folder_path(name));
    ck_assert_msg(strcmp(got, text) == 0, "%s has '%s'", name, got);
    free(got);
}

/* Files that only a reference of the client, or an encoder, refers to are flushed as the globals of a script are; a
 * function of atexit finds the references still there. */
START_TEST(flushes_what_references_and_encoders_hold)
{
    for (int stops = 0; stops < 2; stops++) {
        struct session *session = SESSION();
        session_send(session, "{exec, 1, 'import os\nos.chdir(path)', #{bindings => #{path => %s}}}", folder_path(""));
        session_expect(session, "{ok,1,nil}");
        session_send(session, "{eval, 1, %s, #{return => ref}}",
                     "kept = open('kept', 'wb'); kept.write(b'kept'); kept");
        session_expect_reference(session, "_io.BufferedWriter", "<_io.BufferedWriter name='kept'>");
        session_expect_value(session,
                             "import atexit, erlang, weakref\nseen = weakref.ref(kept)\ndel kept\n"
                             "def encode(value, file=open('encoder', 'w')): return file.write('encoder')\n"
                             "erlang.register_encoder(complex, encode)\n"
                             "atexit.register(lambda: open('atexit', 'w').write(str(seen().closed)))\n1j",
                             "7");
        if (stops) {
            session_send(session, "{stop, 2}");
            session_expect(session, "{ok,2,nil}");
        }
        session_end(session, 0);
        expect_file("kept", "kept");
        expect_file("encoder", "encoder");
        expect_file("atexit", "False");
    }
}
END_TEST

/* -- the client is gone ------------------------------------------------------------------------------------------- */

static const char *const busy[] = {
    "while True: pass",
    "import time\nwhile True:\n    try: time.sleep(100)\n    except BaseException: pass",
    "sum(range(10**12))",
    "import ctypes\nctypes.PyDLL(None).sleep(100)",
    "import time\ntime.sleep(100)",
    "import threading\nthreading.Event().wait()",
    "import subprocess\nsubprocess.run(['sleep', '3'])",
    "while True: print(1000 * chr(120))",
    "import sys, threading, time\n"
    "def forever():\n"
    "    while True: time.sleep(1)\n"
    "threading.Thread(target=forever).start()",
};

#define BUSY (sizeof busy / sizeof *busy)

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The session ends within two seconds, whatever Python does: this is promised to clients that run thousands of
 * sessions. */
static void expect_gone(struct session *session, double since, const char *what)
{
    session_wait(session);
    ck_assert_msg(now() - since < 2 * time_factor(), "gone only after %g seconds: %s", now() - since, what);
    session_free(session);
}

START_TEST(is_gone_when_the_client_is)
{
    struct session *sessions[BUSY];
    for (size_t i = 0; i < BUSY; i++) {
        sessions[i] = SESSION();
        session_send(sessions[i], "{exec, 1, 'print(1)'}");
        session_send(sessions[i], "{exec, 2, %s}", busy[i]);
        session_expect(sessions[i], "{output,1,stdout,'1\n'}");
        session_expect(sessions[i], "{ok,1,nil}");
    }
    usleep(100000);
    double since = now();
    for (size_t i = 0; i < BUSY; i++) {
        session_close_input(sessions[i]);
        session_close_output(sessions[i]);
    }
    for (size_t i = 0; i < BUSY; i++)
        expect_gone(sessions[i], since, busy[i]);
}
END_TEST

START_TEST(is_gone_when_an_idle_client_is)
{
    struct session *session = SESSION();
    session_expect_alive(session);
    double since = now();
    session_close_output(session);
    session_close_input(session);
    int status = session_wait(session);
#ifdef __SANITIZE_ADDRESS__
    /* Shutting down may take longer than its half second. */
    ck_assert(status == 0 || status == 4);
#else
    ck_assert_int_eq(status, 0);
#endif
    expect_gone(session, since, "nothing to do");
}
END_TEST

/* A client that sends but does not read gets no work done: requests, and frames that are none. */
START_TEST(ends_when_the_client_does_not_read)
{
    static const char exec_frame[] = "\0\0\0\x10\x83\x68\3\x77\4"
                                     "exec\x61\1\x6d\0\0\0\0";
    static const char cut_frame[] = "\0\0\0\2\x83\x68";
    for (int round = 0; round < 2; round++) {
        struct session *session = SESSION();
        session_close_output(session);
        /* Written at once, and it may fail: the session may have noticed that the client does not read. */
        session_try_write(session, round == 0 ? exec_frame : cut_frame,
                          round == 0 ? sizeof exec_frame - 1 : sizeof cut_frame - 1);
        ck_assert_int_eq(session_wait(session), 4);
        session_free(session);
    }
}
END_TEST

static bool takes_more(const struct session *session)
{
    struct pollfd input = {.fd = session_input(session), .events = POLLOUT};
    return poll(&input, 1, 300 * time_factor()) > 0;
}

/* Also if more is queued than the queue takes, so that the input is not read to its end. */
START_TEST(is_gone_when_the_client_of_a_flood_is)
{
    struct session *session = SESSION();
    session_send(session, "{exec, 1, 'while True: pass'}");
    /* If pipes are small, the queue and the pipe are full before. */
    for (int i = 0; i < 40000 && takes_more(session); i++)
        session_send_frame(session, "\x83\x68\2\x77\4stop\x61\1", 11);
    double since = now();
    session_close_output(session);
    session_close_input(session);
    expect_gone(session, since, "a full queue");
}
END_TEST

/* -- limits ------------------------------------------------------------------------------------------------------- */

START_TEST(limits_memory)
{
#ifdef __SANITIZE_ADDRESS__
    return; /* its shadow memory is over any limit */
#endif
    struct session *session = SESSION(.options = {"--memory-limit", "700000000"});
    session_send(session, "{eval, 1, 'len(bytearray(2 * 10**9))'}");
    session_expect_error(session, "1", "exception", "type=>'MemoryError'");
    session_expect_value(session, "len(bytearray(10**8))", "100000000");
    session_send(session, "{eval, 1, 'kept = []\nwhile True: kept.append(bytearray(10**7))'}");
    session_expect_error(session, "1", "exception", "type=>'MemoryError'");
    session_expect_value(session, "kept = None", "nil");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* A frame for which there is no memory is skipped. */
START_TEST(refuses_frames_without_memory)
{
#ifdef __SANITIZE_ADDRESS__
    return;
#endif
    struct session *session = SESSION(.options = {"--memory-limit", "400000000"});
    size_t size = 500000000;
    char *piece = calloc(1, 1000000);
    session_write(session, "\x1d\xcd\x65\x00", 4);
    session_write(session,
                  "\x83\x68\3\x77\4"
                  "eval\x61\7",
                  11);
    session_write(session, piece, 1000000 - 11);
    for (size_t i = 1; i < size / 1000000; i++)
        session_write(session, piece, 1000000);
    session_expect_error(session, "7", "bad_request", "there is no memory for a frame of 500000000 bytes");
    session_expect_alive(session);
    free(piece);
    session_end(session, 0);
}
END_TEST

Suite *session_ends_suite(void)
{
    Suite *suite = suite_create("session_ends");
    TCase *tcase = tcase_create("ends");
    int pythons = pythons_count();
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_add_loop_test(tcase, ends_as_python_code_says, 0, pythons);
    tcase_add_loop_test(tcase, ends_without_its_descriptors, 0, pythons);
    tcase_add_loop_test(tcase, ends_at_an_interrupt, 0, pythons);
    tcase_add_loop_test(tcase, ends_when_the_client_does_not_read, 0, pythons);
    tcase_add_loop_test(tcase, leaves_a_traceback_in_the_crash_file, 0, pythons);
    tcase_add_loop_test(tcase, leaves_a_traceback_on_stderr, 0, pythons);
    tcase_add_loop_test(tcase, leaves_no_crash_file_without_a_crash, 0, pythons);
    tcase_add_loop_test(tcase, crashes_without_its_crash_file, 0, pythons);
    tcase_add_loop_test(tcase, goes_on_after_a_fork, 0, pythons);
    tcase_add_loop_test(tcase, keeps_children_out_of_the_stream, 0, pythons);
    tcase_add_loop_test(tcase, ends_without_its_children, 0, pythons);
    tcase_add_loop_test(tcase, flushes_what_references_and_encoders_hold, 0, pythons);
    tcase_add_loop_test(tcase, is_gone_when_the_client_is, 0, pythons);
    tcase_add_loop_test(tcase, is_gone_when_an_idle_client_is, 0, pythons);
    tcase_add_loop_test(tcase, is_gone_when_the_client_of_a_flood_is, 0, pythons);
    tcase_add_loop_test(tcase, limits_memory, 0, pythons);
    tcase_add_loop_test(tcase, refuses_frames_without_memory, 0, pythons);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return suite;
}
