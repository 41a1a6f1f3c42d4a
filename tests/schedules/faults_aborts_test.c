/* Drives cancels and timeouts that come as a request begins, changes its state, or ends: it has one reply, and no other
 * request is hit. */
#include <stdio.h>
#include <string.h>

#include "driven.h"
#include "faults.h"

static void cancel(const char *id)
{
    char text[80];
    snprintf(text, sizeof text, "{cancel, %s}", id);
    session_send(session, text);
}

/* -- on the main thread ------------------------------------------------------------------------------------------- */

START_TEST(is_cancelled_before_its_code_runs)
{
    hold("job_executes");
    eval("5", "log.append('ran')");
    reached("job_executes");
    cancel("5");
    cancel("5");
    all_is_read();
    release("job_executes");
    expect_error("5", "cancelled");
    session_expect_value(session, "log", "[]");
    expect_quiet_end();
}
END_TEST

START_TEST(is_cancelled_in_one_write)
{
    send_together("{eval, 5, 'log.append(1)'}", "{cancel, 5}");
    expect_error("5", "cancelled");
    /* Likewise, read by the reader thread. */
    hold("job_executes");
    eval("6", "6");
    reached("job_executes");
    send_together("{eval, 5, 'log.append(1)'}", "{cancel, 5}");
    expect_error("5", "cancelled");
    release("job_executes");
    session_expect(session, "{ok,6,6}");
    session_expect_value(session, "log", "[]");
    expect_quiet_end();
}
END_TEST

/* Its reply is built: the cancel is too late, and does not hit the next request. */
START_TEST(is_cancelled_as_it_is_replied_to)
{
    hold("job_before_reply");
    eval("5", "5");
    reached("job_before_reply");
    eval("6", "[time.sleep(0) for _ in range(1000)] and 6");
    cancel("5");
    all_is_read();
    release("job_before_reply");
    session_expect(session, "{ok,5,5}");
    session_expect(session, "{ok,6,6}");
    expect_quiet_end();
}
END_TEST

START_TEST(times_out_as_it_is_replied_to)
{
    hold_timer();
    hold("job_before_reply");
    eval_with("5", "5", "timeout => 500");
    reached("job_before_reply");
    eval("6", "[time.sleep(0) for _ in range(1000)] and 6");
    timer_fires();
    release("job_before_reply");
    session_expect(session, "{ok,5,5}");
    session_expect(session, "{ok,6,6}");
    expect_quiet_end();
}
END_TEST

START_TEST(is_replied_to_as_its_time_is_up)
{
    hold_timer();
    hold("job_executes");
    eval_with("5", "5", "timeout => 500");
    reached("job_executes");
    reached("timer_fired");
    release("job_executes");
    session_expect(session, "{ok,5,5}");
    eval("6", "[time.sleep(0) for _ in range(1000)] and 6");
    release("timer_fired");
    session_expect(session, "{ok,6,6}");
    expect_quiet_end();
}
END_TEST

/* The cancel comes before the job's turn in the queue, and as that comes. */
START_TEST(is_cancelled_in_the_queue)
{
    hold("job_executes");
    eval("5", "5");
    reached("job_executes");
    eval("6", "log.append(6)");
    hold("abort_comes");
    cancel("6");
    reached("abort_comes");
    release("abort_comes");
    expect_error("6", "cancelled");
    release("job_executes");
    session_expect(session, "{ok,5,5}");
    session_expect_value(session, "log", "[]");
    expect_quiet_end();
}
END_TEST

START_TEST(is_cancelled_as_it_leaves_the_queue)
{
    hold("job_executes");
    eval("5", "5");
    reached("job_executes");
    eval("6", "log.append(6)");
    hold("abort_comes");
    cancel("6");
    reached("abort_comes");
    release("job_executes");
    session_expect(session, "{ok,5,5}");
    bool ran = expect_value_or_error("{ok,6,nil}", "6", "cancelled");
    release("abort_comes");
    session_expect_value(session, "len(log)", ran ? "1" : "0");
    expect_quiet_end();
}
END_TEST

START_TEST(times_out_in_the_queue)
{
    hold_timer();
    hold("job_executes");
    eval("5", "5");
    reached("job_executes");
    eval_with("6", "6", "timeout => 1");
    timer_fires();
    expect_error("6", "timeout");
    release("job_executes");
    session_expect(session, "{ok,5,5}");
    expect_quiet_end();
}
END_TEST

START_TEST(leaves_the_queue_as_its_time_is_up)
{
    hold_timer();
    eval_with("6", "6", "timeout => 1");
    reached("timer_fired");
    session_expect(session, "{ok,6,6}");
    release("timer_fired");
    expect_quiet_end();
}
END_TEST

/* What encodes an extra of a log record fails, and the record is sent without: not so if it is interrupted. */
START_TEST(is_cancelled_as_it_logs)
{
    eval("5", "import logging\n"
              "class Point: pass\n"
              "def endless(_):\n"
              "    print('in')\n"
              "    while True: time.sleep(0.001)\n"
              "erlang.register_encoder(Point, endless)\n"
              "logging.error('logged', extra={'point': Point()})\n"
              "while True: time.sleep(0.001)");
    session_expect(session, "{output,5,stdout,'in\n'}");
    cancel("5");
    const char *frame = session_next(session);
    ck_assert_msg(frame != NULL && strncmp(frame, "{log,5,error,", 13) == 0, "no record, but %s", frame);
    expect_error("5", "cancelled");
    expect_quiet_end();
}
END_TEST

/* -- a task ------------------------------------------------------------------------------------------------------- */

static const char *const becomes_task_at[] = {"job_executes", "job_becomes_task"};

START_TEST(is_cancelled_as_it_becomes_a_task)
{
    import_asyncio();
    hold(becomes_task_at[_i]);
    eval("5", "await asyncio.sleep(100)");
    reached(becomes_task_at[_i]);
    cancel("5");
    all_is_read();
    release(becomes_task_at[_i]);
    expect_error("5", "cancelled");
    expect_quiet_end();
}
END_TEST

START_TEST(times_out_as_it_becomes_a_task)
{
    import_asyncio();
    hold_timer();
    hold(becomes_task_at[_i]);
    eval_with("5", "await asyncio.sleep(100)", "timeout => 500");
    reached(becomes_task_at[_i]);
    timer_fires();
    release(becomes_task_at[_i]);
    expect_error("5", "timeout");
    expect_quiet_end();
}
END_TEST

/* The task is done, and its job is being ended: requests that wait for it go on. */
START_TEST(times_out_as_its_task_is_done)
{
    import_asyncio();
    hold_timer();
    hold("task_done");
    eval_with("5", "await asyncio.sleep(0, 5)", "timeout => 500");
    reached("task_done");
    eval("6", "6");
    timer_fires();
    release("task_done");
    session_expect(session, "{ok,5,5}");
    session_expect(session, "{ok,6,6}");
    expect_quiet_end();
}
END_TEST

START_TEST(is_cancelled_as_its_task_is_done)
{
    import_asyncio();
    hold("task_done");
    eval("5", "await asyncio.sleep(0, 5)");
    reached("task_done");
    eval("6", "6");
    cancel("5");
    all_is_read();
    release("task_done");
    session_expect(session, "{ok,5,5}");
    session_expect(session, "{ok,6,6}");
    expect_quiet_end();
}
END_TEST

START_TEST(is_done_with_its_task_as_its_time_is_up)
{
    import_asyncio();
    hold_timer();
    hold("job_becomes_task");
    eval_with("5", "await asyncio.sleep(0, 5)", "timeout => 500");
    reached("job_becomes_task");
    reached("timer_fired");
    release("job_becomes_task");
    session_expect(session, "{ok,5,5}");
    release("timer_fired");
    eval("6", "6");
    session_expect(session, "{ok,6,6}");
    expect_quiet_end();
}
END_TEST

/* One of two requests ends as the other is hit. */
START_TEST(is_hit_beside_a_task_that_ends)
{
    import_asyncio();
    hold_timer();
    hold("task_done");
    eval_with("5", "await asyncio.sleep(100)", "timeout => 500, concurrent => true");
    eval_with("6", "await asyncio.sleep(0, 6)", "concurrent => true");
    reached("task_done");
    timer_fires();
    release("task_done");
    session_expect(session, "{ok,6,6}");
    expect_error("5", "timeout");
    expect_quiet_end();
}
END_TEST

/* The loop is left with its last task, while a next one comes; uvloop begins that before it stops. */
START_TEST(becomes_a_task_as_the_last_one_ends)
{
    import_asyncio();
    hold("task_done");
    eval("5", "await asyncio.sleep(0, 5)");
    reached("task_done");
    eval_with("6", "await asyncio.sleep(0, 6)", "concurrent => true");
    all_is_read();
    release("task_done");
    session_expect(session, "{ok,5,5}");
    session_expect(session, "{ok,6,6}");
    expect_quiet_end();
}
END_TEST

/* -- a client that does not read ---------------------------------------------------------------------------------- */

/* The reader thread is blocked by its write of the first timeout: the timer fires for the second. */
START_TEST(times_out_while_the_client_does_not_read)
{
    hold_timer();
    hold("job_executes");
    eval("5", "5");
    reached("job_executes");
    eval_with("6", "6", "timeout => 1");
    timer_fires();
    expect_error("6", "timeout");
    release("job_executes");
    session_expect(session, "{ok,5,5}");
    hold("job_before_reply");
    eval("7", "'x' * 10000000");
    reached("job_before_reply");
    hold_once("timer_fired");
    eval_with("8", "8", "timeout => 200");
    eval_with("9", "9", "timeout => 1500");
    all_is_read();
    release("job_before_reply");
    reached("timer_fired");
    hold("reader_writes");
    release("timer_fired");
    reached("reader_writes");
    hold("timer_fired");
    release("reader_writes");
    timer_fires();
    const char *frame = session_next(session);
    ck_assert_msg(frame != NULL && frame[0] == '{' && frame[1] == 'o', "no value of 7");
    expect_error("8", "timeout");
    expect_error("9", "timeout");
    expect_quiet_end();
}
END_TEST

Suite *aborts_suite(void)
{
    Suite *suite = suite_create("aborts");
    TCase *main_thread = driven_case(suite, "aborts_on_main"), *tasks = driven_case(suite, "aborts_of_tasks");
    tcase_add_test(main_thread, is_cancelled_before_its_code_runs);
    tcase_add_test(main_thread, is_cancelled_in_one_write);
    tcase_add_test(main_thread, is_cancelled_as_it_is_replied_to);
    tcase_add_test(main_thread, times_out_as_it_is_replied_to);
    tcase_add_test(main_thread, is_replied_to_as_its_time_is_up);
    tcase_add_test(main_thread, is_cancelled_in_the_queue);
    tcase_add_test(main_thread, is_cancelled_as_it_leaves_the_queue);
    tcase_add_test(main_thread, times_out_in_the_queue);
    tcase_add_test(main_thread, leaves_the_queue_as_its_time_is_up);
    tcase_add_test(main_thread, times_out_while_the_client_does_not_read);
    tcase_add_test(main_thread, is_cancelled_as_it_logs);
    tcase_add_loop_test(tasks, is_cancelled_as_it_becomes_a_task, 0, 2);
    tcase_add_loop_test(tasks, times_out_as_it_becomes_a_task, 0, 2);
    tcase_add_test(tasks, times_out_as_its_task_is_done);
    tcase_add_test(tasks, is_cancelled_as_its_task_is_done);
    tcase_add_test(tasks, is_done_with_its_task_as_its_time_is_up);
    tcase_add_test(tasks, is_hit_beside_a_task_that_ends);
    tcase_add_test(tasks, becomes_a_task_as_the_last_one_ends);
    return suite;
}
