/* Drives the look for debuggers, which the reader thread begins, against what the main thread does meanwhile. */
#include "driven.h"
#include "faults.h"

static void set_up_looks(void)
{
    driven_start("PYTHONX_SCHEDULE_LOOK_MS=20", NULL);
}

static void hold_look(void)
{
    hold("reader_looks");
    reached("reader_looks");
}

static void expect_look_to_wake_main(void)
{
    hold("main_has_work");
    release("reader_looks");
    reached("main_has_work");
}

/* -- the idle main thread ----------------------------------------------------------------------------------------- */

static const char *const sleeps_at[] = {"main_looks", "main_before_read"};

/* A look that comes before the thread sleeps may be missed: the next one is not. */
START_TEST(wakes_the_main_thread_as_it_falls_asleep)
{
    hold_execution();
    hold_look();
    hold(sleeps_at[_i]);
    execution_goes_on();
    reached(sleeps_at[_i]);
    hold("main_has_work");
    release("reader_looks");
    release(sleeps_at[_i]);
    reached("main_has_work");
    release("main_has_work");
    expect_quiet_end();
}
END_TEST

START_TEST(wakes_the_main_thread_that_reads)
{
    hold_look();
    expect_look_to_wake_main();
    eval("5", "5");
    all_is_read();
    release("main_has_work");
    session_expect(session, "{ok,5,5}");
    expect_quiet_end();
}
END_TEST

START_TEST(comes_after_a_request_that_it_met)
{
    hold_look();
    eval("5", "5");
    session_expect(session, "{ok,5,5}");
    expect_look_to_wake_main();
    release("main_has_work");
    expect_quiet_end();
}
END_TEST

START_TEST(leaves_a_request_alone)
{
    hold_execution();
    hold_look();
    release("reader_looks");
    all_is_read();
    execution_goes_on();
    expect_quiet_end();
}
END_TEST

/* -- the main thread that waits ----------------------------------------------------------------------------------- */

START_TEST(wakes_a_wait_for_the_beam_before_its_answer)
{
    eval("5", "erlang.call('m', 'f')");
    expect_call("{1,5}", "f");
    hold_look();
    expect_look_to_wake_main();
    answer("{1, 5}", "5");
    all_is_read();
    release("main_has_work");
    session_expect(session, "{ok,5,5}");
    expect_quiet_end();
}
END_TEST

START_TEST(comes_after_the_answer)
{
    eval("5", "erlang.call('m', 'f')");
    expect_call("{1,5}", "f");
    hold_look();
    answer("{1, 5}", "5");
    session_expect(session, "{ok,5,5}");
    expect_look_to_wake_main();
    release("main_has_work");
    expect_quiet_end();
}
END_TEST

START_TEST(wakes_the_event_loop_before_a_cancel)
{
    import_asyncio();
    eval("5", "await asyncio.sleep(100)");
    hold_look();
    hold("loop_woken");
    release("reader_looks");
    reached("loop_woken");
    session_send(session, "{cancel, 5}");
    all_is_read();
    release("loop_woken");
    expect_error("5", "cancelled");
    expect_quiet_end();
}
END_TEST

START_TEST(comes_after_the_event_loop)
{
    import_asyncio();
    eval("5", "await asyncio.sleep(100)");
    hold_look();
    session_send(session, "{cancel, 5}");
    release("reader_looks");
    expect_error("5", "cancelled");
    expect_quiet_end();
}
END_TEST

/* -- the end ------------------------------------------------------------------------------------------------------ */

/* The session ends while the reader thread is about to look. */
START_TEST(is_outrun_by_the_end_of_the_input)
{
    hold_look();
    session_close_input(session);
    session_end(session, 0);
}
END_TEST

START_TEST(is_outrun_by_a_stop)
{
    hold_look();
    session_send(session, "{stop, 2}");
    session_expect(session, "{ok,2,nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(comes_before_the_end_of_the_input)
{
    hold_look();
    expect_look_to_wake_main();
    session_close_input(session);
    release("main_has_work");
    session_end(session, 0);
}
END_TEST

START_TEST(comes_before_a_stop)
{
    hold_look();
    expect_look_to_wake_main();
    session_send(session, "{stop, 2}");
    all_is_read();
    release("main_has_work");
    session_expect(session, "{ok,2,nil}");
    session_end(session, 0);
}
END_TEST

Suite *looks_suite(void)
{
    Suite *suite = suite_create("looks");
    TCase *tcase = driven_case_with(suite, "debuggers", set_up_looks);
    tcase_add_loop_test(tcase, wakes_the_main_thread_as_it_falls_asleep, 0, 2);
    tcase_add_test(tcase, wakes_the_main_thread_that_reads);
    tcase_add_test(tcase, comes_after_a_request_that_it_met);
    tcase_add_test(tcase, leaves_a_request_alone);
    tcase_add_test(tcase, wakes_a_wait_for_the_beam_before_its_answer);
    tcase_add_test(tcase, comes_after_the_answer);
    tcase_add_test(tcase, wakes_the_event_loop_before_a_cancel);
    tcase_add_test(tcase, comes_after_the_event_loop);
    tcase_add_test(tcase, is_outrun_by_the_end_of_the_input);
    tcase_add_test(tcase, is_outrun_by_a_stop);
    tcase_add_test(tcase, comes_before_the_end_of_the_input);
    tcase_add_test(tcase, comes_before_a_stop);
    return suite;
}
