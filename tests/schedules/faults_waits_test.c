/* Drives waits for the BEAM: requests made within a call as that is answered, jobs on top of a wait that lasts, and the
 * order in which all of them end. */
#include <string.h>

#include "driven.h"
#include "faults.h"

/* -- a request within a call, as that is answered ----------------------------------------------------------------- */

/* Which thread waits: the main thread, another one, or a task. */
static const char *const ways[] = {
    "erlang.call('m', 'outer')",
    "got = []\nthread = threading.Thread(target=lambda: got.append(erlang.call('m', 'outer')))\nthread.start()\n"
    "thread.join()\ngot[0]",
    "await erlang.call_async('m', 'outer')",
};

/* The waiting thread is held before it waits, or as it looks for work. */
static const struct {
    int way;
    const char *point;
} held_at[] = {{0, "invoke_sent"}, {0, "main_looks"}, {1, "invoke_sent"}};
#define HELD_AT (int)(sizeof held_at / sizeof *held_at)

static void wait_and_hold(int i)
{
    hold("invoke_sent");
    eval("5", ways[held_at[i].way]);
    expect_call("{1,5}", "outer");
    reached("invoke_sent");
    if (strcmp(held_at[i].point, "invoke_sent") == 0)
        return;
    hold(held_at[i].point);
    release("invoke_sent");
    reached(held_at[i].point);
}

START_TEST(runs_within_a_call_that_is_answered_next)
{
    wait_and_hold(_i);
    eval_within("{1, 5}", "7", "7", "");
    answer("{1, 5}", "done");
    all_is_read();
    release(held_at[_i].point);
    session_expect(session, "{ok,7,7}");
    session_expect(session, "{ok,5,done}");
    expect_quiet_end();
}
END_TEST

START_TEST(runs_after_a_call_that_was_answered_before)
{
    wait_and_hold(_i);
    answer("{1, 5}", "done");
    eval_within("{1, 5}", "7", "7", "");
    all_is_read();
    release(held_at[_i].point);
    session_expect(session, "{ok,5,done}");
    session_expect(session, "{ok,7,7}");
    expect_quiet_end();
}
END_TEST

/* Both have come when the loop wakes: either may be first. */
START_TEST(runs_beside_a_task_whose_call_is_answered)
{
    eval("5", ways[2]);
    expect_call("{1,5}", "outer");
    hold("loop_woken");
    eval_within("{1, 5}", "7", "7", "");
    reached("loop_woken");
    answer("{1, 5}", "done");
    all_is_read();
    release("loop_woken");
    expect_both("{ok,7,7}", "{ok,5,done}");
    expect_quiet_end();
}
END_TEST

START_TEST(runs_after_a_task_whose_call_was_answered_before)
{
    eval("5", ways[2]);
    expect_call("{1,5}", "outer");
    hold("loop_woken");
    answer("{1, 5}", "done");
    reached("loop_woken");
    eval_within("{1, 5}", "7", "7", "");
    all_is_read();
    release("loop_woken");
    session_expect(session, "{ok,5,done}");
    session_expect(session, "{ok,7,7}");
    expect_quiet_end();
}
END_TEST

/* The wait is over, answered or not, and the call is still in the table. */
START_TEST(runs_after_a_call_that_is_over)
{
    eval("5", ways[_i]);
    expect_call("{1,5}", "outer");
    hold("invoke_over");
    answer("{1, 5}", "done");
    reached("invoke_over");
    eval_within("{1, 5}", "7", "7", "");
    all_is_read();
    release("invoke_over");
    session_expect(session, "{ok,5,done}");
    session_expect(session, "{ok,7,7}");
    expect_quiet_end();
}
END_TEST

START_TEST(runs_after_a_call_that_was_given_up)
{
    eval("5", ways[0]);
    expect_call("{1,5}", "outer");
    hold("invoke_over");
    session_send(session, "{cancel, 5}");
    reached("invoke_over");
    eval_within("{1, 5}", "7", "7", "");
    all_is_read();
    release("invoke_over");
    session_expect(session, "{abandoned,{1,5}}");
    expect_error("5", "cancelled");
    session_expect(session, "{ok,7,7}");
    expect_quiet_end();
}
END_TEST

/* The request was read, and is not in the table's list yet, as the answer's turn comes: the reader thread handles one
 * after the other. */
START_TEST(is_taken_as_the_reader_is_held)
{
    eval("5", ways[_i]);
    expect_call("{1,5}", "outer");
    hold("nested_taken");
    eval_within("{1, 5}", "7", "7", "");
    reached("nested_taken");
    release("nested_taken");
    answer("{1, 5}", "done");
    expect_both("{ok,7,7}", "{ok,5,done}");
    expect_quiet_end();
}
END_TEST

/* -- a wait that lasts -------------------------------------------------------------------------------------------- */

/* A request that was made within a call further down runs once the innermost wait has lasted for half a second: its
 * reply shows that it has. */
static void innermost_waits_long(const char *call_below)
{
    for (int i = 0; i < 2; i++) {
        eval_within(call_below, "8", "8", "");
        session_expect(session, "{ok,8,8}");
    }
}

START_TEST(lets_one_run_on_top)
{
    eval("a", "erlang.call('m', 'a')");
    expect_call("{1,a}", "a");
    eval("b", "erlang.call('m', 'b')");
    eval("c", "erlang.call('m', 'c')");
    eval("d", "4");
    expect_call("{2,b}", "b");
    innermost_waits_long("{1, a}");
    answer("{1, a}", "1");
    answer("{2, b}", "2");
    session_expect(session, "{ok,b,2}");
    session_expect(session, "{ok,a,1}");
    expect_call("{3,c}", "c");
    answer("{3, c}", "3");
    session_expect(session, "{ok,c,3}");
    session_expect(session, "{ok,d,4}");
    expect_quiet_end();
}
END_TEST

/* The two sides do not wait for each other. */
START_TEST(lets_one_after_the_other_run_on_top)
{
    import_asyncio();
    eval("a", "erlang.call('m', 'a')");
    expect_call("{1,a}", "a");
    eval("b", "2");
    eval("c", "await asyncio.sleep(0, 3)");
    session_expect(session, "{ok,b,2}");
    session_expect(session, "{ok,c,3}");
    answer("{1, a}", "1");
    session_expect(session, "{ok,a,1}");
    expect_quiet_end();
}
END_TEST

/* Three waits on the main thread's stack, none of which ran on top of a foreign job. */
static void wait_three_deep(const char *options)
{
    eval("a", "erlang.call('m', 'a')");
    expect_call("{1,a}", "a");
    eval_within("{1, a}", "b", "erlang.call('m', 'b')", options);
    expect_call("{2,b}", "b");
    eval_within("{2, b}", "c", "erlang.call('m', 'c')", "");
    expect_call("{3,c}", "c");
}

START_TEST(lets_none_run_once_an_answer_has_come_below)
{
    wait_three_deep("");
    answer("{2, b}", "2");
    eval("d", "4");
    innermost_waits_long("{1, a}");
    answer("{3, c}", "3");
    session_expect(session, "{ok,c,3}");
    session_expect(session, "{ok,b,2}");
    answer("{1, a}", "1");
    expect_both("{ok,a,1}", "{ok,d,4}");
    expect_quiet_end();
}
END_TEST

START_TEST(lets_none_run_once_a_cancel_has_come_below)
{
    wait_three_deep("");
    session_send(session, "{cancel, b}");
    eval("d", "4");
    innermost_waits_long("{1, a}");
    answer("{3, c}", "3");
    session_expect(session, "{ok,c,3}");
    session_expect(session, "{abandoned,{2,b}}");
    expect_error("b", "cancelled");
    answer("{1, a}", "1");
    expect_both("{ok,a,1}", "{ok,d,4}");
    expect_quiet_end();
}
END_TEST

START_TEST(lets_none_run_once_the_time_is_up_below)
{
    hold_timer();
    wait_three_deep("timeout => 1000");
    timer_fires();
    eval("d", "4");
    innermost_waits_long("{1, a}");
    answer("{3, c}", "3");
    session_expect(session, "{ok,c,3}");
    session_expect(session, "{abandoned,{2,b}}");
    expect_error("b", "timeout");
    answer("{1, a}", "1");
    expect_both("{ok,a,1}", "{ok,d,4}");
    expect_quiet_end();
}
END_TEST

/* Nor is any other request on the main thread hit. */
START_TEST(is_cancelled_below_another)
{
    eval("a", "erlang.call('m', 'a')\nlog.append('went on')");
    expect_call("{1,a}", "a");
    eval_within("{1, a}", "b", "print('in')\nfor _ in range(9): time.sleep(0.001)\nerlang.call('m', 'b')", "");
    session_expect(session, "{output,b,stdout,'in\n'}");
    session_send(session, "{cancel, a}");
    expect_call("{2,b}", "b");
    eval_within("{2, b}", "c", "3", "");
    session_expect(session, "{ok,c,3}");
    answer("{2, b}", "2");
    session_expect(session, "{ok,b,2}");
    session_expect(session, "{abandoned,{1,a}}");
    expect_error("a", "cancelled");
    session_expect_value(session, "log", "[]");
    expect_quiet_end();
}
END_TEST

Suite *waits_suite(void)
{
    Suite *suite = suite_create("waits");
    TCase *within = driven_case(suite, "nested"), *lasts = driven_case(suite, "lasting");
    tcase_add_loop_test(within, runs_within_a_call_that_is_answered_next, 0, HELD_AT);
    tcase_add_loop_test(within, runs_after_a_call_that_was_answered_before, 0, HELD_AT);
    tcase_add_test(within, runs_beside_a_task_whose_call_is_answered);
    tcase_add_test(within, runs_after_a_task_whose_call_was_answered_before);
    tcase_add_loop_test(within, runs_after_a_call_that_is_over, 0, 2);
    tcase_add_test(within, runs_after_a_call_that_was_given_up);
    tcase_add_loop_test(within, is_taken_as_the_reader_is_held, 0, 3);
    tcase_add_test(lasts, lets_one_run_on_top);
    tcase_add_test(lasts, lets_one_after_the_other_run_on_top);
    tcase_add_test(lasts, lets_none_run_once_an_answer_has_come_below);
    tcase_add_test(lasts, lets_none_run_once_a_cancel_has_come_below);
    tcase_add_test(lasts, lets_none_run_once_the_time_is_up_below);
    tcase_add_test(lasts, is_cancelled_below_another);
    return suite;
}
