/* Drives streams: events that come as one begins, pauses, or ends; and a thread that waits for the BEAM beside it. */
#include "driven.h"
#include "faults.h"

static void expect_item(const char *value)
{
    session_expect(session, "{yield,5,%s}", value);
}

static void grant(long long count)
{
    session_send(session, "{next, 5, %d}", count);
}

/* -- what the client asks for ------------------------------------------------------------------------------------- */

static const char *const begins_at[] = {"job_executes", "stream_begins"};

START_TEST(is_granted_items_before_it_begins)
{
    hold(begins_at[_i]);
    stream("5", "iter([1, 2])", "");
    reached(begins_at[_i]);
    grant(1);
    all_is_read();
    release(begins_at[_i]);
    expect_item("1");
    grant(2);
    expect_item("2");
    session_expect(session, "{ok,5,nil}");
    expect_quiet_end();
}
END_TEST

START_TEST(is_granted_items_after_it_began)
{
    stream("5", "iter([1])", "");
    session_expect_alive(session);
    grant(2);
    expect_item("1");
    session_expect(session, "{ok,5,nil}");
    expect_quiet_end();
}
END_TEST

START_TEST(is_granted_items_in_one_write)
{
    send_together("{stream, 5, '[1]'}", "{next, 5, 2}");
    expect_item("1");
    session_expect(session, "{ok,5,nil}");
    /* Likewise, read by the reader thread. */
    hold_execution();
    send_together("{stream, 5, '[1]'}", "{next, 5, 2}");
    all_is_read();
    execution_goes_on();
    expect_item("1");
    session_expect(session, "{ok,5,nil}");
    expect_quiet_end();
}
END_TEST

START_TEST(is_granted_items_as_it_falls_asleep)
{
    hold("stream_leaves");
    stream("5", "iter([1, 2])", "");
    grant(1);
    expect_item("1");
    reached("stream_leaves");
    grant(2);
    all_is_read();
    release("stream_leaves");
    expect_item("2");
    session_expect(session, "{ok,5,nil}");
    expect_quiet_end();
}
END_TEST

START_TEST(of_a_task_is_granted_items_as_the_loop_wakes)
{
    stream("5", "async def items():\n    yield 1\n    yield 2\nitems()", "");
    grant(1);
    expect_item("1");
    session_expect_alive(session);
    hold("loop_woken");
    grant(1);
    reached("loop_woken");
    grant(1);
    all_is_read();
    release("loop_woken");
    expect_item("2");
    session_expect(session, "{ok,5,nil}");
    expect_quiet_end();
}
END_TEST

/* -- its abort ---------------------------------------------------------------------------------------------------- */

START_TEST(is_cancelled_before_it_begins)
{
    hold(begins_at[_i]);
    stream("5", "iter([1])", "");
    reached(begins_at[_i]);
    session_send(session, "{cancel, 5}");
    all_is_read();
    release(begins_at[_i]);
    expect_error("5", "cancelled");
    expect_quiet_end();
}
END_TEST

START_TEST(times_out_before_it_begins)
{
    hold_timer();
    hold(begins_at[_i]);
    stream("5", "iter([1])", "timeout => 1");
    reached(begins_at[_i]);
    timer_fires();
    release(begins_at[_i]);
    expect_error("5", "timeout");
    expect_quiet_end();
}
END_TEST

START_TEST(is_cancelled_while_the_main_thread_reads)
{
    stream("5", "iter([1])", "");
    session_expect_alive(session);
    session_send(session, "{cancel, 5}");
    expect_error("5", "cancelled");
    expect_quiet_end();
}
END_TEST

START_TEST(is_cancelled_by_the_reader_thread)
{
    stream("5", "iter([1])", "");
    session_expect_alive(session);
    hold_execution();
    session_send(session, "{cancel, 5}");
    all_is_read();
    execution_goes_on();
    expect_error("5", "cancelled");
    expect_quiet_end();
}
END_TEST

/* The reader thread has the input as the main thread becomes idle, and has yet to cancel. */
START_TEST(is_cancelled_while_the_main_thread_sleeps)
{
    stream("5", "iter([1])", "");
    session_expect_alive(session);
    hold_execution();
    hold("abort_comes");
    session_send(session, "{cancel, 5}");
    reached("abort_comes");
    execution_goes_on();
    release("abort_comes");
    expect_error("5", "cancelled");
    expect_quiet_end();
}
END_TEST

START_TEST(times_out_as_the_main_thread_is_about_to_read)
{
    hold_timer();
    hold("job_executes");
    stream("5", "iter([1])", "timeout => 500");
    reached("job_executes");
    hold("main_before_read");
    release("job_executes");
    reached("main_before_read");
    timer_fires();
    release("main_before_read");
    expect_error("5", "timeout");
    expect_quiet_end();
}
END_TEST

START_TEST(times_out_while_the_main_thread_reads)
{
    hold_timer();
    stream("5", "iter([1])", "timeout => 500");
    session_expect_alive(session);
    timer_fires();
    expect_error("5", "timeout");
    expect_quiet_end();
}
END_TEST

START_TEST(is_cancelled_as_it_leaves)
{
    hold("stream_leaves");
    stream("5", "iter([1, 2])", "");
    grant(1);
    expect_item("1");
    reached("stream_leaves");
    session_send(session, "{cancel, 5}");
    session_send(session, "{cancel, 5}");
    all_is_read();
    release("stream_leaves");
    expect_error("5", "cancelled");
    expect_quiet_end();
}
END_TEST

START_TEST(is_cancelled_with_an_item)
{
    hold("stream_has_item");
    stream("5", "iter([1, 2])", "");
    grant(1);
    reached("stream_has_item");
    session_send(session, "{cancel, 5}");
    all_is_read();
    release("stream_has_item");
    expect_item("1");
    expect_error("5", "cancelled");
    expect_quiet_end();
}
END_TEST

/* Python checks for signals in C functions that the engine calls to encode the item: PyObject_Str is one. */
START_TEST(is_cancelled_as_its_item_is_encoded)
{
    static const char types[] = "types => ['__main__.Point']",
                      point[] = "{$object,'__main__.Point','__main__.Point',#{}}";
    eval_with("6", "class Point: pass\nPoint()", types);
    session_expect(session, "{ok,6,%s}", point);
    hold("stream_has_item");
    stream("5", "(Point() for _ in range(9))", types);
    grant(1);
    reached("stream_has_item");
    session_send(session, "{cancel, 5}");
    all_is_read();
    release("stream_has_item");
    expect_item(point);
    expect_error("5", "cancelled");
    expect_quiet_end();
}
END_TEST

/* The stream has come to its end: the cancel is too late. */
START_TEST(is_cancelled_as_it_ends)
{
    hold("stream_ends");
    stream("5", "iter([1])", "");
    grant(9);
    expect_item("1");
    reached("stream_ends");
    session_send(session, "{cancel, 5}");
    all_is_read();
    release("stream_ends");
    session_expect(session, "{ok,5,nil}");
    expect_quiet_end();
}
END_TEST

START_TEST(times_out_as_it_ends)
{
    hold_timer();
    hold("stream_ends");
    stream("5", "iter([1])", "timeout => 500");
    grant(9);
    expect_item("1");
    reached("stream_ends");
    timer_fires();
    release("stream_ends");
    session_expect(session, "{ok,5,nil}");
    expect_quiet_end();
}
END_TEST

START_TEST(ends_as_its_time_is_up)
{
    hold_timer();
    stream("5", "iter([1])", "timeout => 500");
    grant(9);
    reached("timer_fired");
    expect_item("1");
    session_expect(session, "{ok,5,nil}");
    release("timer_fired");
    expect_quiet_end();
}
END_TEST

/* -- the input ---------------------------------------------------------------------------------------------------- */

static const char *const steps_at[] = {"stream_steps", "stream_has_item", "stream_leaves"};

START_TEST(is_stopped_while_it_is_stepped)
{
    hold(steps_at[_i]);
    stream("5", "iter([1, 2])", "");
    grant(1);
    reached(steps_at[_i]);
    if (_i == 2)
        expect_item("1");
    session_send(session, "{stop, 9}");
    all_is_read();
    release(steps_at[_i]);
    if (_i < 2)
        expect_item("1");
    expect_error("5", "shutdown");
    session_expect(session, "{ok,9,nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(ends_with_the_input)
{
    hold(steps_at[_i]);
    stream("5", "iter([1, 2])", "");
    grant(1);
    reached(steps_at[_i]);
    session_close_input(session);
    release(steps_at[_i]);
    expect_item("1");
    expect_error("5", "shutdown");
    session_end(session, 0);
}
END_TEST

Suite *streams_suite(void)
{
    Suite *suite = suite_create("streams");
    TCase *grants = driven_case(suite, "grants"), *aborts = driven_case(suite, "stream_aborts"),
          *ends = driven_case(suite, "stream_ends");
    tcase_add_loop_test(grants, is_granted_items_before_it_begins, 0, 2);
    tcase_add_test(grants, is_granted_items_after_it_began);
    tcase_add_test(grants, is_granted_items_in_one_write);
    tcase_add_test(grants, is_granted_items_as_it_falls_asleep);
    tcase_add_test(grants, of_a_task_is_granted_items_as_the_loop_wakes);
    tcase_add_loop_test(aborts, is_cancelled_before_it_begins, 0, 2);
    tcase_add_loop_test(aborts, times_out_before_it_begins, 0, 2);
    tcase_add_test(aborts, is_cancelled_while_the_main_thread_reads);
    tcase_add_test(aborts, is_cancelled_by_the_reader_thread);
    tcase_add_test(aborts, is_cancelled_while_the_main_thread_sleeps);
    tcase_add_test(aborts, times_out_as_the_main_thread_is_about_to_read);
    tcase_add_test(aborts, times_out_while_the_main_thread_reads);
    tcase_add_test(aborts, is_cancelled_as_it_leaves);
    tcase_add_test(aborts, is_cancelled_with_an_item);
    tcase_add_test(aborts, is_cancelled_as_its_item_is_encoded);
    tcase_add_test(aborts, is_cancelled_as_it_ends);
    tcase_add_test(aborts, times_out_as_it_ends);
    tcase_add_test(aborts, ends_as_its_time_is_up);
    tcase_add_loop_test(ends, is_stopped_while_it_is_stepped, 0, 3);
    tcase_add_loop_test(ends, ends_with_the_input, 0, 3);
    return suite;
}
