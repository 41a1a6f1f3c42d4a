/* Drives signals that come as the main thread is about to sleep: Python's handlers still run. */
#include <signal.h>

#include "driven.h"
#include "faults.h"

static const char handler[] = "import signal\nsignal.signal(signal.SIGUSR1, lambda *_: erlang.send('test', 'handled'))";

static const char *const sleeps_at[] = {"main_looks", "main_before_read"};

static void expect_handled(void)
{
    session_expect(session, "{send,'test','handled'}");
}

START_TEST(run_as_the_idle_main_thread_falls_asleep)
{
    session_send(session, "{exec, 0, %s}", handler);
    session_expect(session, "{ok,0,nil}");
    hold_execution();
    hold(sleeps_at[_i]);
    execution_goes_on();
    reached(sleeps_at[_i]);
    kill(session_pid(session), SIGUSR1);
    release(sleeps_at[_i]);
    expect_handled();
    expect_quiet_end();
}
END_TEST

START_TEST(run_as_the_main_thread_begins_to_wait)
{
    session_send(session, "{exec, 0, %s}", handler);
    session_expect(session, "{ok,0,nil}");
    hold("invoke_sent");
    eval("5", "erlang.call('m', 'f')");
    expect_call("{1,5}", "f");
    reached("invoke_sent");
    hold(sleeps_at[_i]);
    release("invoke_sent");
    reached(sleeps_at[_i]);
    kill(session_pid(session), SIGUSR1);
    release(sleeps_at[_i]);
    expect_handled();
    answer("{1, 5}", "5");
    session_expect(session, "{ok,5,5}");
    expect_quiet_end();
}
END_TEST

START_TEST(run_while_the_main_thread_reads)
{
    session_send(session, "{exec, 0, %s}", handler);
    session_expect(session, "{ok,0,nil}");
    for (int i = 0; i < 20; i++) {
        kill(session_pid(session), SIGUSR1);
        expect_handled();
    }
    expect_quiet_end();
}
END_TEST

Suite *signals_suite(void)
{
    Suite *suite = suite_create("signals");
    TCase *sleeps = driven_case(suite, "handlers");
    tcase_add_loop_test(sleeps, run_as_the_idle_main_thread_falls_asleep, 0, 2);
    tcase_add_loop_test(sleeps, run_as_the_main_thread_begins_to_wait, 0, 2);
    tcase_add_test(sleeps, run_while_the_main_thread_reads);
    return suite;
}
