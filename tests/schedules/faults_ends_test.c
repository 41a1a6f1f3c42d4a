/* Drives the end of the input: the time that requests have after it, and what comes as that is over. */
#include <stdio.h>
#include <string.h>

#include "driven.h"
#include "faults.h"

static void set_up_end(void)
{
    driven_start(NULL, "300");
}

/* Sleeps, so that a thousand rounds are no more than an hour; the tests of a task and of a stream spin. */
static const char endless[] = "print('in')\nwhile True: time.sleep(0.001)";

static void expect_running(const char *id)
{
    session_expect(session, "{output,%s,stdout,'in\n'}", id);
}

/* All requests have one of these one-digit ids, and end in any order; a call may be abandoned among them. */
static void expect_all_shut_down(const char *ids)
{
    char left[20];
    snprintf(left, sizeof left, "%s", ids);
    while (strspn(left, " ") < strlen(left)) {
        const char *frame = session_next(session);
        if (frame != NULL && strncmp(frame, "{abandoned,", 11) == 0)
            continue;
        ck_assert_msg(frame != NULL && strncmp(frame, "{error,", 7) == 0, "no error, but %s", frame);
        ck_assert_msg(strstr(frame, "kind=>shutdown") != NULL, "%s", frame);
        char *place = strchr(left, frame[7]);
        ck_assert_msg(place != NULL, "another one: %s", frame);
        *place = ' ';
    }
    ck_assert_ptr_null(session_next(session));
    session_end(session, 4);
}

/* The input ends; goes on once what runs was interrupted. */
static void end_input(void)
{
    hold_once("shutdown_interrupted");
    session_close_input(session);
    reached("shutdown_interrupted");
    release("shutdown_interrupted");
}

START_TEST(interrupts_what_runs_and_begins_nothing_more)
{
    eval("1", endless);
    eval("2", endless);
    expect_running("1");
    session_close_input(session);
    expect_all_shut_down("12");
}
END_TEST

START_TEST(begins_nothing_more_in_the_event_loop)
{
    import_asyncio();
    eval_with("1", "await asyncio.sleep(100)", "concurrent => true");
    eval_with("2", endless, "concurrent => true");
    eval_with("3", endless, "concurrent => true");
    expect_running("2");
    session_close_input(session);
    expect_all_shut_down("123");
}
END_TEST

START_TEST(begins_nothing_more_within_a_call)
{
    eval("5", "erlang.call('m', 'f')");
    expect_call("{1,5}", "f");
    eval_within("{1, 5}", "1", endless, "");
    eval_within("{1, 5}", "2", endless, "");
    expect_running("1");
    session_close_input(session);
    expect_all_shut_down("125");
}
END_TEST

/* The request 1 runs on the thread, and 2 waits for it there. */
static void run_one_of_two_on_thread(void)
{
    start_calling_thread();
    eval_within("{1, nil}", "1", endless, "");
    expect_running("1");
    eval_within("{1, nil}", "2", endless, "");
}

START_TEST(begins_nothing_more_within_a_call_of_a_thread)
{
    run_one_of_two_on_thread();
    session_close_input(session);
    expect_all_shut_down("12");
}
END_TEST

START_TEST(begins_nothing_more_within_a_call_of_a_thread_at_a_stop)
{
    run_one_of_two_on_thread();
    session_send(session, "{stop, 9}");
    expect_error("1", "shutdown");
    expect_error("2", "shutdown");
    session_expect(session, "{ok,9,nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(interrupts_a_task_that_does_not_await)
{
    eval("0", "async def spins():\n    print('in')\n    while True: pass\nNone");
    session_expect(session, "{ok,0,nil}");
    eval("1", "await spins()");
    expect_running("1");
    session_close_input(session);
    expect_all_shut_down("1");
}
END_TEST

START_TEST(interrupts_a_stream_in_its_step)
{
    eval("0", "def items():\n    print('in')\n    while True: pass\n    yield\nNone");
    session_expect(session, "{ok,0,nil}");
    stream("1", "items()", "");
    session_send(session, "{next, 1, 1}");
    expect_running("1");
    stream("2", "items()", "");
    session_send(session, "{next, 2, 1}");
    session_close_input(session);
    expect_all_shut_down("12");
}
END_TEST

/* The interrupt comes before the code. */
START_TEST(interrupts_a_request_that_is_about_to_run)
{
    hold("job_executes");
    eval("1", endless);
    reached("job_executes");
    end_input();
    release("job_executes");
    expect_all_shut_down("1");
}
END_TEST

START_TEST(interrupts_a_request_that_becomes_a_task)
{
    import_asyncio();
    hold("job_becomes_task");
    eval("1", "await asyncio.sleep(100)");
    reached("job_becomes_task");
    end_input();
    release("job_becomes_task");
    expect_all_shut_down("1");
}
END_TEST

/* Python's next code is that of the event loop, where nothing may be raised. */
START_TEST(raises_nothing_in_the_event_loop)
{
    import_asyncio();
    eval_with("1", "await asyncio.sleep(100)", "concurrent => true");
    hold("loop_woken");
    eval("2", "2");
    reached("loop_woken");
    end_input();
    release("loop_woken");
    expect_all_shut_down("12");
}
END_TEST

Suite *ends_suite(void)
{
    Suite *suite = suite_create("ends");
    TCase *over = driven_case_with(suite, "time_is_over", set_up_end);
    tcase_add_test(over, interrupts_what_runs_and_begins_nothing_more);
    tcase_add_test(over, begins_nothing_more_in_the_event_loop);
    tcase_add_test(over, begins_nothing_more_within_a_call);
    tcase_add_test(over, begins_nothing_more_within_a_call_of_a_thread);
    tcase_add_test(over, begins_nothing_more_within_a_call_of_a_thread_at_a_stop);
    tcase_add_test(over, interrupts_a_task_that_does_not_await);
    tcase_add_test(over, interrupts_a_stream_in_its_step);
    tcase_add_test(over, interrupts_a_request_that_is_about_to_run);
    tcase_add_test(over, interrupts_a_request_that_becomes_a_task);
    tcase_add_test(over, raises_nothing_in_the_event_loop);
    return suite;
}
