/* Tests answers to calls that do not arrive, and those that must arrive whatever else waits. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "pythons.h"
#include "session_driver.h"
#include "suites.h"

START_TEST(fail_their_call_if_they_are_refused)
{
    struct session *session = SESSION(.options = {"--max-frame", "10000"});
    char *large = calloc(1, 20000);
    session_send(session, "{eval, 5, %s}", "import erlang\nerlang.call('m', 'f')");
    session_expect(session, "{invoke,{1,5},{'m','f'},[]}");
    session_send(session, "{reply, {1, 5}, {ok, %b}}", large, (size_t)20000);
    session_expect_error(session, "nil", "bad_request", "over the limit");
    session_expect_error(session, "5", "exception", "over the limit of 10000");
    session_expect_alive(session);
    free(large);
    session_end(session, 0);
}
END_TEST

/* More requests than the queue takes; after them comes the answer that the main thread waits for by way of another
 * thread. */
#define FLOOD 17000

START_TEST(get_through_to_a_thread_while_the_queue_is_full)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 5, %s}",
                 "import erlang, threading\ngot = []\n"
                 "thread = threading.Thread(target=lambda: got.append(erlang.call('m', 'f')))\n"
                 "thread.start(); thread.join(); got[0]");
    session_expect(session, "{invoke,{1,5},{'m','f'},[]}");
    for (int i = 0; i < FLOOD; i++)
        session_send(session, "{eval, 6, '6'}");
    session_send(session, "{reply, {1, 5}, {ok, done}}");
    session_expect(session, "{ok,5,done}");
    for (int i = 0; i < FLOOD; i++)
        session_expect(session, "{ok,6,6}");
    session_end(session, 0);
}
END_TEST

Suite *session_answers_suite(void)
{
    Suite *suite = suite_create("session_answers");
    TCase *tcase = tcase_create("answers");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, fail_their_call_if_they_are_refused, 0, pythons_count());
    tcase_add_loop_test(tcase, get_through_to_a_thread_while_the_queue_is_full, 0, pythons_count());
    suite_add_tcase(suite, tcase);
    return suite;
}
