/* Tests what a session refuses to send: terms over a limit, and atoms without end. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pythons.h"
#include "session_driver.h"
#include "suites.h"

/* -- atoms -------------------------------------------------------------------------------------------------------- */

#define ATOMS "from erlang import Atom\n"
#define REFUSED "an atom that the client does not know"

START_TEST(counts_the_atoms_that_python_makes_up)
{
    struct session *session = SESSION(.options = {"--atom-limit", "3"});
    session_expect_value(session, ATOMS "[Atom('a1'), Atom('a2')]", "[a1,a2]");
    session_expect_value(session, "[Atom('a1'), Atom('a3'), Atom('a3')]", "[a1,a3,a3]");
    session_send(session, "{eval, 2, %s}", "{'x': [0, Atom('a4')]}");
    session_expect_error(session, "2", "unencodable", "result[\"x\"][1]: " REFUSED);
    session_send(session, "{eval, 2, %s}", "{Atom('a4'): 1}");
    session_expect_error(session, "2", "unencodable", "result[key]: " REFUSED);
    session_send(session, "{stream, 3, %s}", "(Atom(f'a{i}') for i in range(3, 9))");
    session_send(session, "{next, 3, 10}");
    session_expect(session, "{yield,3,a3}");
    session_expect_error(session, "3", "unencodable", "made up 3 atoms, which is its limit: send a str");
    session_expect_value(session, "[Atom('a1'), Atom('a2'), Atom('a3'), 'a4']", "[a1,a2,a3,'a4']");
    session_end(session, 0);
}
END_TEST

START_TEST(counts_atoms_on_every_way_out)
{
    static const char *const ways[] = {
        "erlang.send('name', Atom('b'))",
        "erlang.send(Atom('b'), 1)",
        "erlang.call(Atom('b'), 'f')",
        "erlang.call('m', 'f', [Atom('b')])",
        "await erlang.call_async('m', 'f', [Atom('b')])",
        "import _pythonx; _pythonx.log('b', {})",
        "import _pythonx; _pythonx.log('info', {'b': 1})",
    };
    struct session *session = SESSION(.options = {"--atom-limit", "0"});
    session_expect_value(session, "import erlang\n" ATOMS, "nil");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        session_send(session, "{eval, 2, %s}", ways[i]);
        session_expect_error(session, "2", "exception", REFUSED);
    }
    session_expect_value(session, "class Value: pass\nerlang.register_encoder(Value, lambda value: Atom('b'))", "nil");
    session_send(session, "{eval, 2, 'Value()'}");
    session_expect_error(session, "2", "unencodable", REFUSED);
    /* A record goes without what has no form. */
    session_send(session, "{eval, 2, %s}", "import logging\nlogging.warning('w', extra={'e': Atom('b'), 'f': 1})");
    const char *record = session_next(session);
    ck_assert_msg(strncmp(record, "{log,2,warning,", 15) == 0 && strstr(record, "extra=>#{'f'=>1}") != NULL, "%s",
                  record);
    session_expect(session, "{ok,2,nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(does_not_count_atoms_that_the_client_knows)
{
    struct session *session = SESSION(.options = {"--atom-limit", "0"});
    session_expect_value(session, ATOMS "import datetime, decimal, math", "nil");
    session_send(session, "{eval, 2, 'x', #{bindings => #{x => [c1, #{c2 => {c3}}]}}}");
    session_expect(session, "{ok,2,[c1,#{c2=>{c3}}]}");
    session_expect_value(session, "[Atom(f'c{i}') for i in (1, 2, 3)]", "[c1,c2,c3]");
    session_send(session, "{eval, 2, %s}", "Atom('c4')");
    session_expect_error(session, "2", "unencodable", REFUSED);
    session_send(session, "{call, 2, 'len', [[c4]]}");
    session_expect(session, "{ok,2,1}");
    session_expect_value(session, "Atom('c4')", "c4");
    /* What the engine itself sends. */
    session_expect_value(session, "[None, True, math.inf, math.nan, Atom('ok'), Atom('error')]",
                         "[nil,true,infinity,nan,ok,error]");
    session_send(session, "{eval, 2, %s}",
                 "utc = datetime.timezone.utc\n"
                 "[range(3), {1}, datetime.date.today(), datetime.datetime.now(), datetime.datetime.now(utc),"
                 " datetime.time(1), decimal.Decimal('NaN'), decimal.Decimal('inf'), decimal.Decimal(1)]");
    ck_assert_int_eq(strncmp(session_next(session), "{ok,2,[", 7), 0);
    session_send(session, "{eval, 2, 'object()', #{return => ref}}");
    ck_assert_int_eq(strncmp(session_next(session), "{ok,2,#{", 8), 0);
    session_end(session, 0);
}
END_TEST

/* What was refused as a whole has made no atom. */
START_TEST(does_not_count_atoms_that_were_not_sent)
{
    struct session *session = SESSION(.options = {"--atom-limit", "1000"});
    session_expect_value(session, ATOMS "atoms = lambda t: [Atom(f'{t}{i}') for i in range(1000)]", "nil");
    for (int i = 0; i < 3; i++) {
        session_send(session, "{eval, 2, %s}", "[atoms('d'), atoms('d'), object()]");
        session_expect_error(session, "2", "unencodable", "result[2]: builtins.object has no Erlang term");
        session_send(session, "{eval, 2, %s}", "[atoms('e'), atoms('f')]");
        session_expect_error(session, "2", "unencodable", "result[1][0]: " REFUSED);
    }
    session_expect_value(session, "len(atoms('g'))", "1000");
    session_send(session, "{eval, 2, %s}", "atoms('g')");
    ck_assert_int_eq(strncmp(session_next(session), "{ok,2,[g0,g1,", 13), 0);
    session_send(session, "{eval, 2, %s}", "Atom('h')");
    session_expect_error(session, "2", "unencodable", REFUSED);
    /* All of the first are still known. */
    session_send(session, "{eval, 2, %s}", "atoms('g')");
    ck_assert_int_eq(strncmp(session_next(session), "{ok,2,[g0,g1,", 13), 0);
    session_end(session, 0);
}
END_TEST

START_TEST(allows_ten_thousand_atoms_by_default)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 2, %s}", ATOMS "[Atom(f'i{i}') for i in range(10001)]");
    session_expect_error(session, "2", "unencodable", "result[10000]: " REFUSED);
    session_send(session, "{eval, 2, %s}", "[Atom(f'i{i}') for i in range(10000)]");
    ck_assert_int_eq(strncmp(session_next(session), "{ok,2,[i0,", 10), 0);
    session_send(session, "{eval, 2, %s}", "Atom('i')");
    session_expect_error(session, "2", "unencodable", REFUSED);
    session_end(session, 0);
}
END_TEST

/* -- the size of a result ----------------------------------------------------------------------------------------- */

/* Expressions, the bytes of their term, and the path to what is over a limit of one byte less. */
static const struct {
    const char *code;
    int size;
    const char *path;
} sizes[] = {
    {"'a' * 95", 100, "result: "},
    {"'\\u00e4' * 50", 105, "result: "},
    {"b'a' * 95", 100, "result: "},
    {"bytearray(1000)", 1005, "result: "},
    {"memoryview(bytes(2000))[::2]", 1005, "result: "},
    {"2 ** 1600 - 1", 203, "result: "},
    {"[1, [2, 'a' * 95]]", 116, "result: "},
    {"['a' * 20, 'b' * 100]", 136, "result: "},
    {"(['a' * 95],)", 108, "result[0]: "},
    {"{'k': 'a' * 95}", 111, "result[\"k\"]: "},
    {"list(range(100))", 206, "result: "},
    {"bytes(100000)", 100005, "result: "},
    {"[bytes(100000), bytes(100000), 1]", 200018, "result: "},
};

START_TEST(refuses_a_result_over_the_limit)
{
    struct session *session = SESSION();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int segments = 0; segments < 2; segments++) {
            const char *more = segments ? ", segments => 65536" : "";
            char frame[512], message[256];
            snprintf(frame, sizeof frame, "{eval, 2, %%s, #{max_result => %d%s}}", sizes[i].size - 1, more);
            session_send(session, frame, sizes[i].code);
            snprintf(message, sizeof message, "%sthe value takes at least %d bytes, and %d are allowed", sizes[i].path,
                     sizes[i].size, sizes[i].size - 1);
            /* What refers to a segment takes some bytes, too. */
            if (segments)
                snprintf(message, sizeof message, "bytes, and %d are allowed", sizes[i].size - 1);
            session_expect_error(session, "2", "unencodable", message);
            snprintf(frame, sizeof frame, "{eval, 2, %%s, #{max_result => %d%s}}", sizes[i].size + 64 * segments, more);
            session_send(session, frame, sizes[i].code);
            const char *reply = session_next_reply(session);
            ck_assert_msg(strncmp(reply, "{ok,2,", 6) == 0, "%s: %s", sizes[i].code, reply);
        }
    }
    session_end(session, 0);
}
END_TEST

START_TEST(names_the_place_at_which_a_result_is_over_the_limit)
{
    struct session *session = SESSION(.options = {"--max-result", "1000"});
    session_send(session, "{eval, 2, %s}", "{'rows': [1, ['a' * 10, 'b' * 2000]]}");
    session_expect_error(session, "2", "unencodable", "result[\"rows\"][1][1]: the value takes at least 20");
    session_send(session, "{eval, 2, %s}", "('a' * 500, 'b' * 600)");
    session_expect_error(session, "2", "unencodable", "result[1]: the value takes at least 1112 bytes");
    session_send(session, "{eval, 2, %s}", "{'b' * 2000: 1}");
    session_expect_error(session, "2", "unencodable", "result[key]: the value takes at least 2010 bytes");
    session_expect_value(session, "'a' * 5", "'aaaaa'");
    session_end(session, 0);
}
END_TEST

START_TEST(takes_the_smaller_of_two_limits)
{
    struct session *session = SESSION(.options = {"--max-result", "1000"});
    session_send(session, "{eval, 2, '2000 * chr(97)', #{max_result => 5000}}");
    session_expect_error(session, "2", "unencodable", "2005 bytes, and 1000 are allowed");
    session_send(session, "{call, 2, 'bytes', [500], #{}, #{max_result => 100}}");
    session_expect_error(session, "2", "unencodable", "505 bytes, and 100 are allowed");
    session_send(session, "{eval, 2, 'object()', #{max_result => 1, return => ref}}");
    ck_assert_int_eq(strncmp(session_next(session), "{ok,2,#{", 8), 0);
    session_send(session, "{exec, 2, 'y = bytes(5000)', #{max_result => 1}}");
    session_expect(session, "{ok,2,nil}");
    session_send(session, "{eval, 2, '1', #{max_result => 0}}");
    session_expect_error(session, "2", "bad_request", "options: max_result is a number of bytes");
    session_end(session, 0);
}
END_TEST

/* Nothing that is over the limit is built: 1 TiB would not fit, and two million items come to an end at once. */
START_TEST(stops_where_the_limit_is)
{
    struct session *session = SESSION(.options = {"--max-result", "1000000"});
    session_send(session, "{eval, 2, %s}",
                 "import erlang\nseen = []\nclass Item: pass\n"
                 "erlang.register_encoder(Item, lambda item: seen.append(1) or 'a' * 995)\n"
                 "[Item()] * 2_000_000");
    session_expect_error(session, "2", "unencodable", "result[999]: the value takes at least 1000005 bytes");
    session_expect_value(session, "len(seen)", "1000");
    session_expect_value(session,
                         "import resource\nlarge = bytes(300_000_000)\n"
                         "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss",
                         "nil");
    session_send(session, "{eval, 2, '[1, large, large]', #{segments => 1000}}");
    session_expect_error(session, "2", "unencodable", "result[1]: the value takes at least 300000012 bytes");
    session_expect_value(session, "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000", "true");
    session_end(session, 0);
}
END_TEST

START_TEST(limits_each_item_of_a_stream)
{
    struct session *session = SESSION();
    session_send(session, "{stream, 2, %s, #{max_result => 100}}", "('a' * n for n in (90, 90, 96, 1))");
    session_send(session, "{next, 2, 10}");
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(strncmp(session_next(session), "{yield,2,'aaaa", 14), 0);
    session_expect_error(session, "2", "unencodable", "result: the value takes at least 101 bytes");
    session_send(session, "{stream, 2, %s, #{max_result => 100, batch => 10}}", "('a' * n for n in (90, 90, 96, 1))");
    session_send(session, "{next, 2, 10}");
    ck_assert_int_eq(strncmp(session_next(session), "{yields,2,['aaaa", 16), 0);
    session_expect_error(session, "2", "unencodable", "result: the value takes at least 101 bytes");
    session_end(session, 0);
}
END_TEST

START_TEST(limits_what_python_sends_by_itself)
{
    struct session *session = SESSION(.options = {"--max-result", "2000"});
    session_send(session, "{eval, 2, %s}", "import erlang\nerlang.send('name', [1, 'a' * 2000])");
    session_expect_error(session, "2", "exception", "term[1]: the value takes at least 2012 bytes");
    session_send(session, "{eval, 2, %s}", "erlang.call('m', 'f', ['a' * 2000])");
    session_expect_error(session, "2", "exception", "args[0]: the value takes at least 2010 bytes");
    session_send(session, "{eval, 2, %s}", "await erlang.call_async('m', 'f', ['a' * 2000])");
    session_expect_error(session, "2", "exception", "args[0]: the value takes at least 2010 bytes");
    session_send(session, "{eval, 2, %s}",
                 "import logging\nlogging.warning('w', extra={'e': 'a' * 2000, 'f': 1, 'g': ['a'] * 500})");
    const char *record = session_next(session);
    ck_assert_msg(strstr(record, "extra=>#{'f'=>1}") != NULL && strstr(record, "message=>'w'") != NULL, "%s", record);
    session_expect(session, "{ok,2,nil}");
    /* As logging has it, a record that cannot be written is reported on standard error. */
    session_send(session, "{eval, 2, %s}", "logging.warning('a' * 2000)");
    bool reported = false;
    for (const char *frame = session_next(session); strncmp(frame, "{ok,2,nil}", 10) != 0;
         frame = session_next(session)) {
        ck_assert_msg(strncmp(frame, "{output,2,stderr,", 17) == 0, "%s", frame);
        reported = reported || strstr(frame, "message: the value takes at least 20") != NULL;
    }
    ck_assert(reported);
    /* Output is a stream: it is not limited. */
    session_send(session, "{eval, 2, 'print(3000 * chr(97))'}");
    ck_assert_int_gt((int)strlen(session_next(session)), 3000);
    session_expect(session, "{ok,2,nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(limits_arrays_before_they_are_copied)
{
    struct session *session = SESSION(.options = {"--max-result", "1000"});
    session_send(session, "{eval, 1, 'import numpy as np'}");
    if (strcmp(session_next_reply(session), "{ok,1,nil}") == 0) {
        static const char *const arrays[] = {"np.zeros(1000)", "np.zeros(2000)[::2]", "np.zeros((10, 100)).T",
                                             "np.zeros(1000, '>f8')"};
        for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
            session_send(session, "{eval, 2, %s, #{segments => 500}}", arrays[i]);
            session_expect_error(session, "2", "unencodable", "result: the value takes at least 80");
        }
        session_send(session, "{eval, 2, 'np.zeros(100)'}");
        ck_assert_int_eq(strncmp(session_next(session), "{ok,2,#{", 8), 0);
    }
    session_end(session, 0);
}
END_TEST

Suite *session_limits_suite(void)
{
    Suite *suite = suite_create("session_limits");
    TCase *tcase = tcase_create("limits");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, counts_the_atoms_that_python_makes_up, 0, pythons_count());
    tcase_add_loop_test(tcase, counts_atoms_on_every_way_out, 0, pythons_count());
    tcase_add_loop_test(tcase, does_not_count_atoms_that_the_client_knows, 0, pythons_count());
    tcase_add_loop_test(tcase, does_not_count_atoms_that_were_not_sent, 0, pythons_count());
    tcase_add_loop_test(tcase, allows_ten_thousand_atoms_by_default, 0, pythons_count());
    tcase_add_loop_test(tcase, refuses_a_result_over_the_limit, 0, pythons_count());
    tcase_add_loop_test(tcase, names_the_place_at_which_a_result_is_over_the_limit, 0, pythons_count());
    tcase_add_loop_test(tcase, takes_the_smaller_of_two_limits, 0, pythons_count());
    tcase_add_loop_test(tcase, stops_where_the_limit_is, 0, pythons_count());
    tcase_add_loop_test(tcase, limits_each_item_of_a_stream, 0, pythons_count());
    tcase_add_loop_test(tcase, limits_what_python_sends_by_itself, 0, pythons_count());
    tcase_add_loop_test(tcase, limits_arrays_before_they_are_copied, 0, pythons_count());
    suite_add_tcase(suite, tcase);
    return suite;
}
