/* Tests signals, timers and tasks of Python: they work as under python3, while a request runs and while the session is
 * idle. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pythons.h"
#include "session_driver.h"
#include "suites.h"

static void exec(struct session *session, const char *code)
{
    session_send(session, "{exec, 0, %s}", code);
    session_expect(session, "{ok,0,nil}");
}

static struct session *start(int _i)
{
    struct session *session = SESSION();
    exec(session, "import asyncio, erlang, os, signal, threading, time\n"
                  "def tell(what): erlang.send('test', what)");
    return session;
}

static void expect_told(struct session *session, const char *what)
{
    session_expect(session, "{send,'test','%s'}", what);
}

/* -- limits ------------------------------------------------------------------------------------------------------- */

START_TEST(reports_a_file_over_the_limit)
{
    struct session *session = start(_i);
    exec(session, "import resource, tempfile\n"
                  "file = tempfile.TemporaryFile(buffering=0)\n"
                  "limits = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
                  "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))\n"
                  "file.write(b'x' * 1000)");
    session_send(session, "{eval, 5, 'file.write(b\"x\")'}");
    session_expect_error(session, "5", "exception", "File too large");
    session_expect_value(session, "try: file.write(b'x')\nexcept OSError as error: got = error.errno\ngot", "27");
    session_end(session, 0);
}
END_TEST

START_TEST(leases_no_segment_over_the_limit)
{
    struct session *session = start(_i);
    if (strstr(session_ready(session), "segments") != NULL) {
        exec(session, "import resource\n"
                      "limits = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
                      "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))");
        session_send(session, "{segment, 5, 1000000}");
        session_expect(session, "{ok,5,nil}");
    }
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* -- KeyboardInterrupt -------------------------------------------------------------------------------------------- */

static const char *const interrupts[] = {
    "signal.raise_signal(signal.SIGINT)\ntime.sleep(100)",
    "import _thread; _thread.interrupt_main()\ntime.sleep(100)",
    "threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGINT)).start()\ntime.sleep(100)",
};

START_TEST(raises_keyboard_interrupt)
{
    struct session *session = start(_i);
    for (size_t i = 0; i < sizeof interrupts / sizeof *interrupts; i++) {
        session_send(session, "{eval, 5, %s}", interrupts[i]);
        session_expect_error(session, "5", "exception", "KeyboardInterrupt");
    }
    session_expect_value(
        session, "try: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: got = 'caught'\ngot", "'caught'");
    session_end(session, 0);
}
END_TEST

/* -- handlers ----------------------------------------------------------------------------------------------------- */

static const char *const handlers[] = {
    /* While the session is idle, */
    "signal.signal(signal.SIGUSR1, lambda *_: tell('handled'))",
    /* has the event loop, */
    "await asyncio.sleep(0)\nsignal.signal(signal.SIGUSR1, lambda *_: tell('handled'))",
    /* and is in the event loop. */
    "async def add(): asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell, 'handled')\nawait add()",
};
#define HANDLERS (sizeof handlers / sizeof *handlers)

START_TEST(runs_handlers_while_idle)
{
    for (size_t i = 0; i < HANDLERS; i++) {
        struct session *session = start(_i);
        session_send(session, "{exec, 5, %s}", handlers[i]);
        session_expect(session, "{ok,5,nil}");
        for (int n = 0; n < 20; n++) {
            kill(session_pid(session), SIGUSR1);
            expect_told(session, "handled");
        }
        session_expect_alive(session);
        session_end(session, 0);
    }
}
END_TEST

START_TEST(runs_handlers_while_it_waits_for_the_beam)
{
    struct session *session = start(_i);
    exec(session, handlers[0]);
    session_send(session, "{eval, 5, %s}", "erlang.call('m', 'f')");
    session_expect(session, "{invoke,{1,5},{'m','f'},[]}");
    for (int n = 0; n < 20; n++) {
        kill(session_pid(session), SIGUSR1);
        expect_told(session, "handled");
    }
    session_send(session, "{reply, {1, 5}, {ok, 5}}");
    session_expect(session, "{ok,5,5}");
    session_end(session, 0);
}
END_TEST

/* An exception of a handler ends the request that waits below. */
START_TEST(raises_what_a_handler_raises)
{
    struct session *session = start(_i);
    exec(session, "def fail(*_): raise ValueError('from the handler')\nsignal.signal(signal.SIGUSR1, fail)");
    session_send(session, "{eval, 5, %s}", "erlang.call('m', 'f')");
    session_expect(session, "{invoke,{1,5},{'m','f'},[]}");
    kill(session_pid(session), SIGUSR1);
    session_expect(session, "{abandoned,{1,5}}");
    session_expect_error(session, "5", "exception", "from the handler");
    /* While no request runs, it is reported as one that cannot be raised. */
    kill(session_pid(session), SIGUSR1);
    while (strstr(session_errors(session), "from the handler") == NULL) {
        const char *frame = session_next(session);
        ck_assert_ptr_nonnull(frame);
        if (strstr(frame, "from the handler") != NULL)
            break;
    }
    session_send(session, "{stop, 9}");
    const char *frame;
    do
        frame = session_next(session);
    while (frame != NULL && strcmp(frame, "{ok,9,nil}") != 0);
    ck_assert_ptr_nonnull(frame);
    session_end(session, 0);
}
END_TEST

START_TEST(runs_the_handlers_of_timers)
{
    struct session *session = start(_i);
    exec(session, "signal.signal(signal.SIGALRM, lambda *_: tell('rung'))\n"
                  "signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)");
    for (int n = 0; n < 50; n++)
        expect_told(session, "rung");
    session_send(session, "{exec, 5, 'signal.setitimer(signal.ITIMER_REAL, 0)'}");
    const char *frame;
    do
        frame = session_next(session);
    while (frame != NULL && strcmp(frame, "{send,'test','rung'}") == 0);
    ck_assert_str_eq(frame, "{ok,5,nil}");
    session_end(session, 0);
}
END_TEST

/* -- tasks -------------------------------------------------------------------------------------------------------- */

START_TEST(goes_on_with_tasks_while_idle)
{
    struct session *session = start(_i);
    session_send(session, "{eval, 5, %s}",
                 "async def outlive():\n    for n in 'abc':\n        await asyncio.sleep(0.01)\n        tell(n)\n"
                 "async def begin(): return asyncio.create_task(outlive())\n"
                 "task = await begin()");
    session_expect(session, "{ok,5,nil}");
    expect_told(session, "a");
    expect_told(session, "b");
    expect_told(session, "c");
    session_expect_value(session, "await task", "nil");
    session_end(session, 0);
}
END_TEST

START_TEST(takes_coroutines_of_threads_while_idle)
{
    struct session *session = start(_i);
    exec(session, "async def get():\n    global loop\n    loop = asyncio.get_running_loop()\nawait get()\n"
                  "async def work(n):\n    await asyncio.sleep(0.001)\n    tell(n)\n    return n\n"
                  "def run():\n"
                  "    for n in 'abc': asyncio.run_coroutine_threadsafe(work(n), loop).result()\n"
                  "    tell('done')\n"
                  "begin = threading.Event()\n"
                  "threading.Thread(target=lambda: (begin.wait(), time.sleep(0.02), run())).start()");
    exec(session, "begin.set()");
    expect_told(session, "a");
    expect_told(session, "b");
    expect_told(session, "c");
    expect_told(session, "done");
    session_end(session, 0);
}
END_TEST

/* A callback of the task is lost, because memory is short when asyncio schedules it: the request still ends. */
START_TEST(replies_though_a_callback_was_lost)
{
    struct session *session = start(_i);
    session_send(session, "{eval, 5, %s}",
                 "async def lose():\n"
                 "    loop = asyncio.get_running_loop()\n"
                 "    usual, loop.call_soon = loop.call_soon, None\n"
                 "    def call_soon(*arguments, **keywords):\n"
                 "        del loop.call_soon\n"
                 "        raise MemoryError\n"
                 "    loop.call_soon = call_soon\n"
                 "    return 'value'\n"
                 "await lose()");
    const char *frame = session_next_reply(session);
    ck_assert_msg(frame != NULL && (strcmp(frame, "{ok,5,'value'}") == 0 || strstr(frame, "MemoryError") != NULL),
                  "got %s", frame);
    session_expect_value(session, "await asyncio.sleep(0, 7)", "7");
    session_end(session, 0);
}
END_TEST

/* -- idle --------------------------------------------------------------------------------------------------------- */

/* Returns how often the process gave its processor up, as it does each time that it wakes; -1 if that cannot be
 * found. */
static long count_switches(pid_t pid)
{
    char command[200], line[100] = "";
    snprintf(command, sizeof command,
             "cat /proc/%d/task/*/status 2>/dev/null | awk '/^voluntary/ {n += $2} END {print n}'", (int)pid);
    FILE *lines = popen(command, "r");
    ck_assert_ptr_nonnull(lines);
    char *got = fgets(line, sizeof line, lines);
    pclose(lines);
    return got == NULL || line[0] == '\n' ? -1 : atol(line);
}

/* After all kinds of requests the session sleeps: only the client wakes it. */
START_TEST(sleeps_while_idle)
{
    struct session *session = start(_i);
    session_expect_value(session, "await asyncio.sleep(0.01, 7)", "7");
    session_send(session, "{stream, 6, 'iter([1])'}");
    session_send(session, "{eval, 5, 'time.sleep(100)', #{timeout => 20}}");
    session_expect_error(session, "5", "timeout", "");
    session_expect_alive(session);
    long before = count_switches(session_pid(session)), after = before;
    for (int i = 0; i < 20; i++) {
        usleep(10000);
        before = after;
        after = count_switches(session_pid(session));
    }
    ck_assert_msg(after - before <= 3, "woke %ld times within 10 ms", after - before);
    session_send(session, "{cancel, 6}");
    session_expect_error(session, "6", "cancelled", "");
    session_end(session, 0);
}
END_TEST

Suite *session_signals_suite(void)
{
    Suite *suite = suite_create("session_signals");
    TCase *tcase = tcase_create("signals");
    int count = pythons_count();
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, reports_a_file_over_the_limit, 0, count);
    tcase_add_loop_test(tcase, leases_no_segment_over_the_limit, 0, count);
    tcase_add_loop_test(tcase, raises_keyboard_interrupt, 0, count);
    tcase_add_loop_test(tcase, runs_handlers_while_idle, 0, count);
    tcase_add_loop_test(tcase, runs_handlers_while_it_waits_for_the_beam, 0, count);
    tcase_add_loop_test(tcase, raises_what_a_handler_raises, 0, count);
    tcase_add_loop_test(tcase, runs_the_handlers_of_timers, 0, count);
    tcase_add_loop_test(tcase, goes_on_with_tasks_while_idle, 0, count);
    tcase_add_loop_test(tcase, takes_coroutines_of_threads_while_idle, 0, count);
    tcase_add_loop_test(tcase, replies_though_a_callback_was_lost, 0, count);
    tcase_add_loop_test(tcase, sleeps_while_idle, 0, count);
    suite_add_tcase(suite, tcase);
    return suite;
}
