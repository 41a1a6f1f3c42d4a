/* Variables of the client that code captures: those that it uses and does not assign. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "pythons.h"
#include "session_driver.h"
#include "suites.h"

struct captured {
    const char *code, *options, *reply;
};

static void evaluate_all(struct session *session, const struct captured *cases, size_t count)
{
    char request[256];
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_lt(snprintf(request, sizeof request, "{eval, 1, %%s, #{%s}}", cases[i].options), sizeof request);
        session_send(session, request, cases[i].code);
        session_expect(session, "{ok,1,%s}", cases[i].reply);
    }
}

#define EVALUATE(session, cases) evaluate_all(session, cases, sizeof(cases) / sizeof *(cases))

/* The session has the variables x = 'session' and y = 'session'. */
static const struct captured used[] = {
    {"x", "captured => #{x => 1}", "1"},
    {"x", "captured => #{'x' => 'text'}", "'text'"},
    {"x, y", "captured => #{x => 1}", "{1,'session'}"},
    {"x + y", "captured => #{x => 1}, bindings => #{y => 2}", "3"},
    {"x", "captured => #{x => 1}, bindings => #{x => 2}", "2"},
    {"type(x) is bytes", "captured => #{x => 'a'}, binaries => bytes", "true"},
    {"def f(): return x\nf()", "captured => #{x => 1}", "1"},
    {"[x + i for i in range(2)]", "captured => #{x => 1, i => 9}", "[1,2]"},
    {"class A: z = x\nA.z", "captured => #{x => 1}", "1"},
    {"sum([1, 2])", "captured => #{max => 1}", "3"},
    {"sum", "captured => #{sum => 1}", "1"},
    {"import asyncio\nawait asyncio.sleep(0, x)", "captured => #{x => 1, asyncio => 2}", "1"},
    {"(lambda x: x)(5)", "captured => #{x => 1}", "5"},
    {"1", "captured => #{x => 1}", "1"},
    {"x", "captured => #{}", "'session'"},
    {"# a b\n'b', f'{x}'", "captured => #{x => 1, a => 2, b => 3}", "{'b','1'}"},
};

START_TEST(are_those_that_code_uses)
{
    struct session *session = SESSION();
    ck_assert_ptr_nonnull(strstr(session_ready(session), "captured"));
    for (int round = 0; round < 2; round++) {
        session_send(session, "{assign, 1, #{x => 'session', y => 'session'}}");
        session_expect(session, "{ok,1,nil}");
        EVALUATE(session, used);
    }
    session_end(session, 0);
}
END_TEST

/* What code assigns at its top level is a variable of the session, as without the option. */
static const struct captured assigned[] = {
    {"v1 = 5\nv1", "captured => #{v1 => 1}", "5"},
    {"for v2 in range(3): pass\nv2", "captured => #{v2 => 1}", "2"},
    {"import json as v3\nv3.__name__", "captured => #{v3 => 1}", "'json'"},
    {"def v4(): return 4\nv4()", "captured => #{v4 => 1}", "4"},
    {"def f():\n  global v5\n  v5 = 5\nf()\nv5", "captured => #{v5 => 1}", "5"},
    {"[v6 := i for i in range(7)]\nv6", "captured => #{v6 => 1}", "6"},
    {"v7, (v8, *v9) = 7, (8, 9)\nv7 + v8", "captured => #{v7 => 1, v8 => 1, v9 => 1}", "15"},
    {"match 5:\n  case v10: pass\nv10", "captured => #{v10 => 1}", "5"},
    {"with open('/dev/null') as v11: pass\nv11.closed", "captured => #{v11 => 1}", "true"},
    {"sorted(n for n in globals() if n[0] == 'v' and n[1:].isdigit())", "captured => #{v1 => 1}",
     "['v1','v10','v11','v2','v3','v4','v5','v6','v7','v8','v9']"},
};

START_TEST(are_not_those_that_code_assigns)
{
    struct session *session = SESSION();
    EVALUATE(session, assigned);
    session_send(session, "{eval, 1, 'w += 1', #{captured => #{w => 1}}}");
    session_expect_error(session, "1", "exception", "name 'w' is not defined");
    session_end(session, 0);
}
END_TEST

/* A value that nothing uses need not have an object. */
START_TEST(are_decoded_if_they_are_used)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, '1 # a', #{captured => #{a => {$ref, 99}, b => [{$ref, 99}]}}}");
    session_expect(session, "{ok,1,1}");
    session_send(session, "{eval, 1, 'a', #{captured => #{b => 1, a => [{$ref, 99}]}}}");
    session_expect_error(session, "1", "undecodable", "captured[\"a\"][0]: there is no object");
    session_end(session, 0);
}
END_TEST

START_TEST(are_refused)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, '1', #{captured => [x]}}");
    session_expect_error(session, "1", "bad_request", "options: captured is a map");
    session_send(session, "{eval, 1, '1', #{captured => #{1 => 2}}}");
    session_expect_error(session, "1", "bad_request", "captured: the keys are names");
    session_send(session, "{call, 1, 'len', [[]], #{}, #{captured => #{x => 2}}}");
    session_expect_error(session, "1", "bad_request", "options: call captures nothing");
    session_send(session, "{assign, 1, #{}, #{captured => #{x => 2}}}");
    session_expect_error(session, "1", "bad_request", "options: assign captures nothing");
    session_send(session, "{eval, 1, 'x = (', #{captured => #{x => 2}}}");
    session_expect_error(session, "1", "syntax", "was never closed");
    session_end(session, 0);
}
END_TEST

START_TEST(work_in_streams_and_statements)
{
    struct session *session = SESSION();
    session_send(session, "{stream, 1, '(x + i for i in range(2))', #{captured => #{x => 1, i => 5}}}");
    session_send(session, "{next, 1, 3}");
    session_expect(session, "{yield,1,1}");
    session_expect(session, "{yield,1,2}");
    session_expect(session, "{ok,1,nil}");
    session_send(session, "{exec, 1, 'kept = x', #{captured => #{x => 1, kept => 2}}}");
    session_expect(session, "{ok,1,nil}");
    session_expect_value(session, "kept, 'x' in globals()", "{1,false}");
    session_end(session, 0);
}
END_TEST

Suite *session_captured_suite(void)
{
    Suite *suite = suite_create("session_captured");
    TCase *tcase = tcase_create("captured");
    int pythons = pythons_count();
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, are_those_that_code_uses, 0, pythons);
    tcase_add_loop_test(tcase, are_not_those_that_code_assigns, 0, pythons);
    tcase_add_loop_test(tcase, are_decoded_if_they_are_used, 0, pythons);
    tcase_add_loop_test(tcase, are_refused, 0, pythons);
    tcase_add_loop_test(tcase, work_in_streams_and_statements, 0, pythons);
    return suite;
}
