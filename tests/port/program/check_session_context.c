/* Which request code belongs to, in whatever context and order it runs: its interrupts, its output, and `info`. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "pythons.h"
#include "session_driver.h"
#include "suites.h"

static struct session *start(int _i)
{
    struct session *session = SESSION();
    session_send(session, "{exec, 0, %s}",
                 "import asyncio, contextvars, erlang, threading\n"
                 "order = []\n"
                 "def busy():\n"
                 "    print('begun')\n"
                 "    while True: pass\n"
                 "def in_none(function, *arguments): return contextvars.Context().run(function, *arguments)\n"
                 "old = contextvars.copy_context()\n"
                 "async def nested(): return in_none(busy)\n");
    session_expect(session, "{ok,0,nil}");
    return session;
}

/* -- other contexts than the request's ----------------------------------------------------------------------------- */

static const char *const elsewhere[] = {
    "in_none(busy)",           /* a context without the variable */
    "old.run(busy)",           /* that of a request that has ended */
    "await nested()",          /* in a coroutine */
    "[*map(in_none, [busy])]", /* called by C code */
    "next(in_none(busy) for i in [1])",
};

START_TEST(interrupts_code_in_another_context)
{
    struct session *session = start(_i);
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        session_send(session, "{eval, 5, %s}", elsewhere[i]);
        session_expect(session, "{output,5,stdout,'begun\n'}");
        session_send(session, "{cancel, 5}");
        session_expect_error(session, "5", "cancelled", "the request was cancelled");
        session_send(session, "{eval, 6, %s, #{timeout => 200}}", elsewhere[i]);
        session_expect(session, "{output,6,stdout,'begun\n'}");
        session_expect_error(session, "6", "timeout", "timeout of 200 ms");
    }
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

START_TEST(knows_whose_output_it_is_in_another_context)
{
    struct session *session = start(_i);
    session_send(session,
                 "{eval, 5, 'in_none(print, 5)\nold.run(print, 6)\nawait asyncio.sleep(0)\nin_none(print, 7)'}");
    session_expect(session, "{output,5,stdout,'5\n'}");
    session_expect(session, "{output,5,stdout,'6\n'}");
    session_expect(session, "{output,5,stdout,'7\n'}");
    session_expect(session, "{ok,5,nil}");
    /* A thread in the context of a request that has ended belongs to none. */
    session_send(session, "{exec, 6, %s}",
                 "thread = threading.Thread(target=lambda: old.run(print, 8))\nthread.start(); thread.join()");
    session_expect(session, "{output,nil,stdout,'8\n'}");
    session_expect(session, "{ok,6,nil}");
    session_end(session, 0);
}
END_TEST

/* -- the order of requests that await ------------------------------------------------------------------------------ */

/* A request within the call of one that is awaited awaits, too: those behind still wait for the first. */
START_TEST(keeps_the_order_beside_a_nested_await)
{
    struct session *session = start(_i);
    session_send(session, "{exec, 1, %s}",
                 "order.append('1 begins')\nawait erlang.call_async('a', 'b')\nawait erlang.call_async('c', 'd')\n"
                 "order.append('1 ends')");
    session_expect(session, "{invoke,{1,1},{'a','b'},[]}");
    session_send(session, "{exec, 3, 'order.append(3)'}");
    session_send(session, "{within, {1, 1}, {exec, 2, 'await asyncio.sleep(0)\norder.append(2)'}}");
    session_expect(session, "{ok,2,nil}");
    session_send(session, "{reply, {1, 1}, {ok, 1}}");
    session_expect(session, "{invoke,{2,1},{'c','d'},[]}");
    session_send(session, "{within, {2, 1}, {eval, 4, 'len(order)'}}");
    session_expect(session, "{ok,4,2}");
    session_send(session, "{reply, {2, 1}, {ok, 1}}");
    session_expect(session, "{ok,1,nil}");
    session_expect(session, "{ok,3,nil}");
    session_expect_value(session, "order", "['1 begins',2,'1 ends',3]");
    session_end(session, 0);
}
END_TEST

/* -- info while jobs begin and end --------------------------------------------------------------------------------- */

#define ROUNDS 300

/* What `info` shows may end, and be freed, on another thread at any moment. */
START_TEST(shows_what_runs_while_that_ends)
{
    struct session *session = start(_i);
    session_send(session, "{exec, 1, %s}",
                 "waits = threading.Thread(target=lambda: erlang.call('a', 'b'), daemon=True)\n"
                 "waits.start(); waits.join()");
    session_expect(session, "{invoke,{1,1},{'a','b'},[]}");
    for (int i = 0; i < ROUNDS; i++) {
        session_send(session, "{within, {1, 1}, {eval, %d, '[0] * 10'}}", (long long)1000 + i);
        session_send(session, "{info, %d}", (long long)9000 + i);
    }
    for (int i = 0; i < 2 * ROUNDS; i++) {
        const char *reply = session_next_reply(session);
        ck_assert_msg(strncmp(reply, "{ok,", 4) == 0, "%s", reply);
    }
    session_send(session, "{reply, {1, 1}, {ok, 1}}");
    session_expect(session, "{ok,1,nil}");
    session_end(session, 0);
}
END_TEST

/* -- the engine's own files ---------------------------------------------------------------------------------------- */

/* The file of the event loop imports asyncio: meanwhile the main thread needs it, too. */
START_TEST(awaits_while_another_thread_loads_the_event_loop)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 5, %s}",
                 "import erlang, sys, threading, time\n"
                 "entered = threading.Event()\n"
                 "class Slow:\n"
                 "    def find_spec(self, name, path=None, target=None):\n"
                 "        if name == 'asyncio':\n"
                 "            entered.set()\n"
                 "            time.sleep(0.2)\n"
                 "sys.meta_path.insert(0, Slow())\n"
                 "threading.Thread(target=lambda: erlang.call_async('m', 'f').close()).start()\n"
                 "async def value(): return entered.is_set()\n"
                 "entered.wait(5)\n"
                 "value()");
    session_expect(session, "{ok,5,true}");
    session_end(session, 0);
}
END_TEST

Suite *session_context_suite(void)
{
    int pythons = pythons_count();
    Suite *suite = suite_create("session_context");
    TCase *tcase = tcase_create("context");
    tcase_add_loop_test(tcase, interrupts_code_in_another_context, 0, pythons);
    tcase_add_loop_test(tcase, knows_whose_output_it_is_in_another_context, 0, pythons);
    tcase_add_loop_test(tcase, keeps_the_order_beside_a_nested_await, 0, pythons);
    tcase_add_loop_test(tcase, shows_what_runs_while_that_ends, 0, pythons);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, awaits_while_another_thread_loads_the_event_loop, 0, pythons_count());
    suite_add_tcase(suite, tcase);
    return suite;
}
