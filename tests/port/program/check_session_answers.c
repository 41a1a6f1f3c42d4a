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

static const struct {
    const char *frame, *raised;
} malformed[] = {
    {"{reply, {%d, 5}}", "reply takes a tuple of 3 elements, got 2"},
    {"{reply, {%d, 5}, {ok, 1}, #{}}", "reply takes a tuple of 3 elements, got 4"},
    {"{reply, {%d, 5}, fine}", "fine"},
    {"{reply, {%d, 5}, {fine, 1}}", "1"},
    {"{reply, {%d, 5}, {ok, 1, 2}}", "(Atom('ok'), 1, 2)"},
};

START_TEST(fail_their_call_if_they_are_malformed)
{
    struct session *session = SESSION();
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        session_send(session, "{eval, 5, %s}", "import erlang\nerlang.call('m', 'f')");
        session_expect(session, "{invoke,{%d,5},{'m','f'},[]}", (int)i + 1);
        session_send(session, malformed[i].frame, (int)i + 1);
        if (strstr(malformed[i].raised, "takes") != NULL)
            session_expect_error(session, "nil", "bad_request", malformed[i].raised);
        session_expect_error(session, "5", "exception", malformed[i].raised);
    }
    session_expect_alive(session);
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
    tcase_add_loop_test(tcase, fail_their_call_if_they_are_malformed, 0, pythons_count());
    tcase_add_loop_test(tcase, get_through_to_a_thread_while_the_queue_is_full, 0, pythons_count());
    suite_add_tcase(suite, tcase);
    return suite;
}
