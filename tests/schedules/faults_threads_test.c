/* Drives requests that run on another thread than the main one: their aborts reach them wherever both threads are, and
 * hit no other code. */
#include <unistd.h>

#include "driven.h"
#include "faults.h"

static const char endless[] = "print('in')\nwhile True: time.sleep(0.001)";
static const char calls[] = "erlang.call('m', 'inner')\nlog.append('went on')\nwhile True: time.sleep(0.001)";

static void expect_running(void)
{
    session_expect(session, "{output,r1,stdout,'in\n'}");
}

/* Expects that the thread that waits for {1,nil} was not hit. */
static void expect_thread_ends(void)
{
    answer("{1, nil}", "done");
    session_expect_value(session, "while not log: time.sleep(0.001)\nlog", "[done]");
    expect_quiet_end();
}

/* -- the main thread is idle -------------------------------------------------------------------------------------- */

START_TEST(times_out_as_the_main_thread_is_about_to_read)
{
    hold_timer();
    run_on_thread(endless, "timeout => 1000");
    expect_running();
    hold_execution();
    stop_before_read();
    timer_fires();
    release("main_before_read");
    expect_error("r1", "timeout");
    expect_thread_ends();
}
END_TEST

START_TEST(times_out_while_the_main_thread_reads)
{
    hold_timer();
    run_on_thread(endless, "timeout => 500");
    expect_running();
    timer_fires();
    expect_error("r1", "timeout");
    expect_thread_ends();
}
END_TEST

START_TEST(is_cancelled_while_the_main_thread_reads)
{
    run_on_thread(endless, "");
    expect_running();
    session_send(session, "{cancel, r1}");
    expect_error("r1", "cancelled");
    expect_thread_ends();
}
END_TEST

START_TEST(is_cancelled_while_the_main_thread_sleeps)
{
    run_on_thread(endless, "");
    expect_running();
    hold_execution();
    hold("abort_comes");
    session_send(session, "{cancel, r1}");
    reached("abort_comes");
    execution_goes_on();
    release("abort_comes");
    expect_error("r1", "cancelled");
    expect_thread_ends();
}
END_TEST

/* The main thread runs no bytecode any more, and has not chosen its next work yet. */
START_TEST(is_cancelled_as_the_main_thread_looks_for_work)
{
    run_on_thread(endless, "");
    expect_running();
    hold_execution();
    hold("main_looks");
    execution_goes_on();
    reached("main_looks");
    session_send(session, "{cancel, r1}");
    all_is_read();
    release("main_looks");
    expect_error("r1", "cancelled");
    expect_thread_ends();
}
END_TEST

START_TEST(is_cancelled_while_the_main_thread_works)
{
    run_on_thread(endless, "");
    expect_running();
    eval("6", "end = threading.Event()\nprint('in')\nwhile not end.is_set(): time.sleep(0.001)");
    session_expect(session, "{output,6,stdout,'in\n'}");
    session_send(session, "{cancel, r1}");
    expect_error("r1", "cancelled");
    eval_within("{1, nil}", "7", "end.set()", "");
    expect_both("{ok,7,nil}", "{ok,6,nil}");
    expect_thread_ends();
}
END_TEST

/* -- it waits for the BEAM ---------------------------------------------------------------------------------------- */

/* The main thread reads the cancel itself, or the timer fires, while it waits for the BEAM. */
START_TEST(ends_while_the_main_thread_waits)
{
    if (_i == 1)
        hold_timer();
    run_on_thread(endless, _i == 0 ? "" : "timeout => 500");
    expect_running();
    eval("6", "erlang.call('m', 'outer')");
    expect_call("{2,6}", "outer");
    if (_i == 0)
        session_send(session, "{cancel, r1}");
    else
        timer_fires();
    expect_error("r1", _i == 0 ? "cancelled" : "timeout");
    answer("{2, 6}", "5");
    session_expect(session, "{ok,6,5}");
    expect_thread_ends();
}
END_TEST

START_TEST(is_cancelled_while_it_waits)
{
    run_on_thread(calls, "");
    expect_call("{2,r1}", "inner");
    session_send(session, "{cancel, r1}");
    session_expect(session, "{abandoned,{2,r1}}");
    expect_error("r1", "cancelled");
    expect_thread_ends();
}
END_TEST

START_TEST(times_out_while_it_waits)
{
    hold_timer();
    run_on_thread(calls, "timeout => 500");
    expect_call("{2,r1}", "inner");
    timer_fires();
    session_expect(session, "{abandoned,{2,r1}}");
    expect_error("r1", "timeout");
    expect_thread_ends();
}
END_TEST

/* The call is sent, and the thread does not wait yet. */
START_TEST(is_cancelled_as_it_begins_to_wait)
{
    start_calling_thread();
    hold("invoke_sent");
    eval_within("{1, nil}", "r1", calls, "");
    expect_call("{2,r1}", "inner");
    reached("invoke_sent");
    session_send(session, "{cancel, r1}");
    all_is_read();
    release("invoke_sent");
    session_expect(session, "{abandoned,{2,r1}}");
    expect_error("r1", "cancelled");
    expect_thread_ends();
}
END_TEST

/* The answer came first: the abort hits the code after the call. */
START_TEST(is_cancelled_as_it_stops_waiting)
{
    run_on_thread("erlang.call('m', 'inner')\nwhile True: time.sleep(0.001)", "");
    expect_call("{2,r1}", "inner");
    hold("invoke_over");
    answer("{2, r1}", "5");
    reached("invoke_over");
    session_send(session, "{cancel, r1}");
    all_is_read();
    release("invoke_over");
    expect_error("r1", "cancelled");
    expect_thread_ends();
}
END_TEST

/* -- no wrong victim ---------------------------------------------------------------------------------------------- */

/* Long enough for the frames that are sent meanwhile; if not, they come as it ends. */
static const char inner[] = "print('in')\nfor _ in range(50): time.sleep(0.001)\n'inner'";

START_TEST(is_cancelled_below_another)
{
    run_on_thread(calls, "");
    expect_call("{2,r1}", "inner");
    eval_within("{2, r1}", "r2", inner, "");
    session_expect(session, "{output,r2,stdout,'in\n'}");
    session_send(session, "{cancel, r1}");
    session_expect(session, "{ok,r2,'inner'}");
    session_expect(session, "{abandoned,{2,r1}}");
    expect_error("r1", "cancelled");
    expect_thread_ends();
}
END_TEST

START_TEST(times_out_below_another)
{
    hold_timer();
    run_on_thread(calls, "timeout => 500");
    expect_call("{2,r1}", "inner");
    eval_within("{2, r1}", "r2", inner, "");
    session_expect(session, "{output,r2,stdout,'in\n'}");
    timer_fires();
    session_expect(session, "{ok,r2,'inner'}");
    session_expect(session, "{abandoned,{2,r1}}");
    expect_error("r1", "timeout");
    expect_thread_ends();
}
END_TEST

static const char *const inner_at[] = {"job_executes", "job_before_reply"};

START_TEST(is_cancelled_as_another_begins_or_ends_on_top)
{
    run_on_thread(calls, "");
    expect_call("{2,r1}", "inner");
    hold(inner_at[_i]);
    eval_within("{2, r1}", "r2", "'inner'", "");
    reached(inner_at[_i]);
    session_send(session, "{cancel, r1}");
    /* Which thread reads: the reader thread, or the idle main thread. */
    session_send(session, "{info, 3}");
    ck_assert_int_eq(session_next(session)[1], 'o');
    release(inner_at[_i]);
    session_expect(session, "{ok,r2,'inner'}");
    session_expect(session, "{abandoned,{2,r1}}");
    expect_error("r1", "cancelled");
    expect_thread_ends();
}
END_TEST

START_TEST(is_cancelled_on_top_of_another)
{
    run_on_thread("erlang.call('m', 'inner')", "");
    expect_call("{2,r1}", "inner");
    eval_within("{2, r1}", "r2", endless, "");
    session_expect(session, "{output,r2,stdout,'in\n'}");
    session_send(session, "{cancel, r2}");
    expect_error("r2", "cancelled");
    answer("{2, r1}", "5");
    session_expect(session, "{ok,r1,5}");
    expect_thread_ends();
}
END_TEST

START_TEST(is_cancelled_as_the_thread_replies)
{
    start_calling_thread();
    hold("job_before_reply");
    eval_within("{1, nil}", "r1", "'ended'", "");
    reached("job_before_reply");
    session_send(session, "{cancel, r1}");
    all_is_read();
    release("job_before_reply");
    session_expect(session, "{ok,r1,'ended'}");
    expect_thread_ends();
}
END_TEST

/* -- the end of the session --------------------------------------------------------------------------------------- */

START_TEST(is_stopped_while_it_runs)
{
    run_on_thread(endless, "");
    expect_running();
    session_send(session, "{stop, 9}");
    expect_error("r1", "shutdown");
    session_expect(session, "{ok,9,nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(is_stopped_while_it_waits)
{
    run_on_thread(calls, "");
    expect_call("{2,r1}", "inner");
    session_send(session, "{stop, 9}");
    session_expect(session, "{abandoned,{2,r1}}");
    expect_error("r1", "shutdown");
    session_expect(session, "{ok,9,nil}");
    session_end(session, 0);
}
END_TEST

/* The session ends as the thread is about to write its reply. */
START_TEST(is_replied_to_before_the_stop)
{
    start_calling_thread();
    hold_once("job_before_reply");
    eval_within("{1, nil}", "r1", "'ended'", "");
    reached("job_before_reply");
    hold("threads_end");
    session_send(session, "{stop, 9}");
    reached("threads_end");
    release("threads_end");
    usleep(10000); /* enough for a main thread that would not wait */
    release("job_before_reply");
    session_expect(session, "{ok,r1,'ended'}");
    session_expect(session, "{ok,9,nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(may_end_after_the_input)
{
    run_on_thread("print('in')\ntime.sleep(0.2)\n'ended'", "");
    expect_running();
    session_close_input(session);
    session_expect(session, "{ok,r1,'ended'}");
    ck_assert_ptr_null(session_next(session));
    session_end(session, 0);
}
END_TEST

START_TEST(is_interrupted_after_the_input)
{
    run_on_thread(endless, "");
    expect_running();
    session_close_input(session);
    expect_error("r1", "shutdown");
    session_end(session, 4);
}
END_TEST

Suite *threads_suite(void)
{
    Suite *suite = suite_create("threads");
    TCase *idle = driven_case(suite, "thread_aborts"), *waits = driven_case(suite, "thread_waits"),
          *victims = driven_case(suite, "thread_victims"), *ends = driven_case(suite, "thread_ends");
    tcase_add_test(idle, times_out_as_the_main_thread_is_about_to_read);
    tcase_add_test(idle, times_out_while_the_main_thread_reads);
    tcase_add_test(idle, is_cancelled_while_the_main_thread_reads);
    tcase_add_test(idle, is_cancelled_while_the_main_thread_sleeps);
    tcase_add_test(idle, is_cancelled_as_the_main_thread_looks_for_work);
    tcase_add_test(idle, is_cancelled_while_the_main_thread_works);
    tcase_add_loop_test(idle, ends_while_the_main_thread_waits, 0, 2);
    tcase_add_test(waits, is_cancelled_while_it_waits);
    tcase_add_test(waits, times_out_while_it_waits);
    tcase_add_test(waits, is_cancelled_as_it_begins_to_wait);
    tcase_add_test(waits, is_cancelled_as_it_stops_waiting);
    tcase_add_test(victims, is_cancelled_below_another);
    tcase_add_test(victims, times_out_below_another);
    tcase_add_loop_test(victims, is_cancelled_as_another_begins_or_ends_on_top, 0, 2);
    tcase_add_test(victims, is_cancelled_on_top_of_another);
    tcase_add_test(victims, is_cancelled_as_the_thread_replies);
    tcase_add_test(ends, is_stopped_while_it_runs);
    tcase_add_test(ends, is_stopped_while_it_waits);
    tcase_add_test(ends, is_replied_to_before_the_stop);
    tcase_add_test(ends, may_end_after_the_input);
    tcase_add_test(ends, is_interrupted_after_the_input);
    return suite;
}
