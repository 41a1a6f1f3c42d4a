/* Drives streams beside a thread of Python that waits for the BEAM, and those that were made within its call. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driven.h"
#include "faults.h"

static void grant(long long count)
{
    session_send(session, "{next, 5, %d}", count);
}

static void expect_items(const char *value, int count)
{
    for (int i = 0; i < count; i++)
        session_expect(session, "{yield,5,%s}", value);
}

/* The thread is out of the stream. */
static void expect_thread_waits(void)
{
    eval_within("{1, nil}", "7", "on_main()", "");
    session_expect(session, "{ok,7,false}");
}

/* The thread that waits for {1,nil} gets its answer, and ends. */
static void expect_thread_ends(void)
{
    answer("{1, nil}", "done");
    session_expect_value(session, "while len(log) == 0: time.sleep(0.001)\nlog", "[done]");
    expect_quiet_end();
}

/* The request 2 runs on the main thread, and waits. */
static void begin_main(const char *preparation, const char *waits)
{
    char code[300];
    snprintf(code, sizeof code, "%s\nprint('begun')\n%s", preparation, waits);
    eval("2", code);
    session_expect(session, "{output,2,stdout,'begun\n'}");
}

/* -- a stream beside the thread ----------------------------------------------------------------------------------- */

START_TEST(stays_on_the_main_thread)
{
    start_calling_thread();
    for (int i = 0; i < 20; i++) {
        stream("5", "(on_main() for _ in range(3))", "");
        for (int n = 0; n < 3; n++) {
            grant(1);
            expect_items("true", 1);
        }
        grant(1);
        session_expect(session, "{ok,5,nil}");
    }
    expect_thread_ends();
}
END_TEST

/* The main thread has decided to step the stream, and has not begun. */
START_TEST(stays_on_the_main_thread_as_the_call_is_answered)
{
    start_calling_thread();
    stream("5", "(on_main() for _ in range(3))", "");
    session_expect_alive(session);
    hold("main_has_work");
    grant(1);
    reached("main_has_work");
    answer("{1, nil}", "done");
    grant(9);
    all_is_read();
    release("main_has_work");
    expect_items("true", 3);
    session_expect(session, "{ok,5,nil}");
    session_expect_value(session, "while len(log) == 0: time.sleep(0.001)\nlog", "[done]");
    expect_quiet_end();
}
END_TEST

/* A cursor of sqlite3 refuses every thread but the one that created it. */
START_TEST(may_iterate_over_a_cursor)
{
    start_calling_thread();
    eval("0", "import sqlite3\n"
              "base = sqlite3.connect(':memory:')\n"
              "base.executescript('create table t(x); insert into t values (1); insert into t values (1)')\nNone");
    session_expect(session, "{ok,0,nil}");
    for (int i = 0; i < 20; i++) {
        stream("5", "(x for x, in base.execute('select x from t'))", "");
        grant(1);
        expect_items("1", 1);
        grant(9);
        expect_items("1", 1);
        session_expect(session, "{ok,5,nil}");
    }
    expect_thread_ends();
}
END_TEST

/* -- a stream made within the thread's call ----------------------------------------------------------------------- */

START_TEST(made_within_a_call_of_a_thread_is_stepped_by_the_main_thread)
{
    start_calling_thread();
    stream_within("{1, nil}", "5", "(on_main() for _ in range(2))");
    grant(1);
    expect_items("true", 1);
    grant(9);
    expect_items("true", 1);
    session_expect(session, "{ok,5,nil}");
    expect_thread_ends();
}
END_TEST

/* The signal that makes the main thread check for the stream comes before its read: only a second one reaches it. The
 * thread is held without the GIL, which the main thread needs. */
START_TEST(begins_as_the_main_thread_is_about_to_read)
{
    start_calling_thread();
    hold_execution();
    hold("thread_has_work");
    send_together("{within, {1, nil}, {stream, 5, '(on_main() for _ in range(2))'}}", "{next, 5, 9}");
    all_is_read();
    stop_before_read();
    reached("thread_has_work");
    hold_timer();
    release("thread_has_work");
    reached("timer_fired"); /* to send the signal again */
    release("main_before_read");
    release("timer_fired");
    expect_items("true", 2);
    session_expect(session, "{ok,5,nil}");
    expect_thread_ends();
}
END_TEST

START_TEST(is_stepped_by_the_thread_that_the_main_thread_waits_for)
{
    start_calling_thread();
    begin_main("", "while len(log) == 0: time.sleep(0.001)\nlog");
    stream_within("{1, nil}", "5", "(on_main() for _ in range(2))");
    grant(9);
    expect_items("false", 2);
    session_expect(session, "{ok,5,nil}");
    answer("{1, nil}", "done");
    session_expect(session, "{ok,2,[done]}");
    expect_quiet_end();
}
END_TEST

static void set_up_longer_waits(void)
{
    driven_start("PYTHONX_SCHEDULE_LONG_WAIT_MS=3000", NULL);
}

/* The main thread is never free for as long, but always soon. */
START_TEST(is_left_to_a_main_thread_that_steps_another_for_long)
{
    start_calling_thread();
    stream("4", "(time.sleep(0.04) for _ in range(90))", "");
    stream_within("{1, nil}", "5", "(on_main() for _ in range(90))");
    session_send(session, "{next, 4, 91}");
    grant(91);
    for (int left = 2; left > 0;) {
        const char *frame = session_next(session);
        ck_assert_msg(frame != NULL && strcmp(frame, "{yield,5,false}") != 0, "%s", frame);
        left -= strncmp(frame, "{ok,", 4) == 0;
    }
    expect_thread_ends();
}
END_TEST

/* The main thread has waited for the BEAM for long, and works again. */
START_TEST(is_left_to_a_main_thread_that_just_waited_for_long)
{
    start_calling_thread();
    eval("2", "erlang.call('m', 'g')\nprint('goes on')\ntime.sleep(0.1)");
    expect_call("{2,2}", "g");
    usleep(600000);
    answer("{2, 2}", "done");
    session_expect(session, "{output,2,stdout,'goes on\n'}");
    stream_within("{1, nil}", "5", "(on_main() for _ in range(1))");
    grant(2);
    session_expect(session, "{ok,2,nil}");
    expect_items("true", 1);
    session_expect(session, "{ok,5,nil}");
    expect_thread_ends();
}
END_TEST

static const char goes_on[] =
    "def items():\n    go.set()\n    yield on_main()\n    while True: yield on_main()\nitems()";

/* The main thread comes back between two items. */
START_TEST(moves_to_the_main_thread_when_that_is_back)
{
    start_calling_thread();
    begin_main("go = threading.Event()", "go.wait()");
    stream_within("{1, nil}", "5", goes_on);
    grant(1);
    expect_both("{yield,5,false}", "{ok,2,true}");
    expect_thread_waits();
    grant(2);
    expect_items("true", 2);
    session_send(session, "{cancel, 5}");
    expect_error("5", "cancelled");
    expect_thread_ends();
}
END_TEST

/* The main thread is back while the thread is inside the stream. */
START_TEST(is_left_alone_by_the_main_thread_while_another_steps_it)
{
    start_calling_thread();
    begin_main("go, second = threading.Event(), threading.Event()", "go.wait()");
    stream_within("{1, nil}", "5",
                  "def items():\n    go.set()\n    while not second.is_set(): time.sleep(0.001)\n    yield on_main()\n "
                  "   yield on_main()\nitems()");
    session_send(session, "{exec, 3, 'second.set()'}");
    grant(1);
    session_expect(session, "{ok,2,true}");
    expect_both("{ok,3,nil}", "{yield,5,false}");
    expect_thread_waits();
    grant(1);
    expect_items("true", 1);
    grant(1);
    session_expect(session, "{ok,5,nil}");
    expect_thread_ends();
}
END_TEST

/* -- its abort ---------------------------------------------------------------------------------------------------- */

/* Once the call is over the thread runs code of its own: an abort of the stream must not hit that. */
START_TEST(is_cancelled_while_the_thread_does_other_things)
{
    eval("0", "finish = threading.Event()\n"
              "def work():\n"
              "    try:\n"
              "        erlang.call('m', 'thread')\n"
              "        while not finish.is_set(): time.sleep(0.001)\n"
              "        log.append('finished')\n"
              "    except BaseException as error: log.append(type(error).__name__)\n"
              "start(work)");
    expect_both("{ok,0,nil}", "{invoke,{1,nil},{'m','thread'},[]}");
    stream_within("{1, nil}", "5", "iter([1])");
    eval_within("{1, nil}", "6", "on_main()", "");
    session_expect(session, "{ok,6,false}");
    answer("{1, nil}", "done");
    hold_execution();
    session_send(session, "{cancel, 5}");
    all_is_read();
    execution_goes_on();
    expect_error("5", "cancelled");
    session_expect_value(session, "finish.set()\nwhile len(log) == 0: time.sleep(0.001)\nlog", "['finished']");
    expect_quiet_end();
}
END_TEST

static const char endless[] = "def items():\n    go.set()\n    while True: time.sleep(0.001)\n    yield\nitems()";

START_TEST(is_cancelled_while_a_thread_steps_it)
{
    start_calling_thread();
    begin_main("end = threading.Event()", "while not end.is_set(): time.sleep(0.001)");
    stream_within("{1, nil}", "5",
                  "def items():\n    print('in')\n    while True: time.sleep(0.001)\n    yield\nitems()");
    grant(1);
    session_expect(session, "{output,5,stdout,'in\n'}");
    session_send(session, "{cancel, 5}");
    expect_error("5", "cancelled");
    eval_within("{1, nil}", "7", "end.set()", "");
    expect_both("{ok,7,nil}", "{ok,2,nil}");
    expect_thread_ends();
}
END_TEST

/* -- the end of the session, with a thread inside the stream's code ----------------------------------------------- */

static void let_a_thread_step(void)
{
    start_calling_thread();
    begin_main("go = threading.Event()", "go.wait()");
    stream_within("{1, nil}", "5", endless);
    grant(1);
    session_expect(session, "{ok,2,true}");
}

START_TEST(is_stopped_while_a_thread_steps_it)
{
    let_a_thread_step();
    session_send(session, "{stop, 9}");
    expect_error("5", "shutdown");
    session_expect(session, "{ok,9,nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(ends_with_the_input_while_a_thread_steps_it)
{
    let_a_thread_step();
    session_close_input(session);
    expect_error("5", "shutdown");
    ck_assert_ptr_null(session_next(session));
    (void)session_wait(session);
}
END_TEST

Suite *thread_streams_suite(void)
{
    Suite *suite = suite_create("thread_streams");
    TCase *beside = driven_case(suite, "beside"), *within = driven_case(suite, "within"),
          *longer = driven_case_with(suite, "longer_waits", set_up_longer_waits),
          *ends = driven_case(suite, "thread_stream_ends");
    tcase_add_test(beside, stays_on_the_main_thread);
    tcase_add_test(beside, stays_on_the_main_thread_as_the_call_is_answered);
    tcase_add_test(beside, may_iterate_over_a_cursor);
    tcase_add_test(within, made_within_a_call_of_a_thread_is_stepped_by_the_main_thread);
    tcase_add_test(within, begins_as_the_main_thread_is_about_to_read);
    tcase_add_test(within, is_stepped_by_the_thread_that_the_main_thread_waits_for);
    tcase_add_test(within, is_left_to_a_main_thread_that_just_waited_for_long);
    tcase_add_test(within, moves_to_the_main_thread_when_that_is_back);
    tcase_add_test(within, is_left_alone_by_the_main_thread_while_another_steps_it);
    tcase_add_test(longer, is_left_to_a_main_thread_that_steps_another_for_long);
    tcase_add_test(ends, is_cancelled_while_the_thread_does_other_things);
    tcase_add_test(ends, is_cancelled_while_a_thread_steps_it);
    tcase_add_test(ends, is_stopped_while_a_thread_steps_it);
    tcase_add_test(ends, ends_with_the_input_while_a_thread_steps_it);
    return suite;
}
