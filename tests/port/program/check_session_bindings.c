/* Bindings are names of the request's own: what its code sees, what it leaves behind, and how it fails. */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pythons.h"
#include "session_driver.h"
#include "suites.h"

struct bound {
    const char *code, *bindings, *reply;
};

static void evaluate_all(struct session *session, const struct bound *cases, size_t count)
{
    char options[256];
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_lt(snprintf(options, sizeof options, "{eval, 1, %%s, #{bindings => #{%s}}}", cases[i].bindings),
                         sizeof options);
        session_send(session, options, cases[i].code);
        session_expect(session, "{ok,1,%s}", cases[i].reply);
    }
}

#define EVALUATE(session, cases) evaluate_all(session, cases, sizeof(cases) / sizeof *(cases))

/* -- who sees them ------------------------------------------------------------------------------------------------- */

static const struct bound seen[] = {
    {"x + 1", "x => 1", "2"},
    {"x, y, z", "x => 1, 'y' => 'a', z => [2.5]", "{1,'a',[2.5]}"},
    {"def f(): return x\nf()", "x => 1", "1"},
    {"def f():\n  def g(): return x\n  return g\nf()()", "x => 1", "1"},
    {"(lambda: x)(), (lambda y=x: y)()", "x => 1", "{1,1}"},
    {"[x + i for i in range(2)], {x for _ in [0]} == {1}, {i: x for i in [0]}", "x => 1", "{[1,2],true,#{0=>1}}"},
    {"list(x + i for i in range(2))", "x => 1", "[1,2]"},
    {"def g():\n  yield x\n  yield x + 1\nlist(g())", "x => 1", "[1,2]"},
    {"class A:\n  y = x\n  def m(self): return x\n  z = [x for _ in [0]]\nA.y, A().m(), A.z", "x => 1", "{1,1,[1]}"},
    {"class A:\n  x = 5\n  def m(self): return x\nA.x, A().m(), x", "x => 1", "{5,1,1}"},
    {"import asyncio\nasync def c():\n  await asyncio.sleep(0)\n  return x\nawait c(), await c()", "x => 1", "{1,1}"},
    {"async def c(): return x\nc()", "x => 1", "1"},
    {"import asyncio\nawait asyncio.gather(*(asyncio.sleep(0, x + i) for i in range(2)))", "x => 1", "[1,2]"},
    {"async def g():\n  yield x\n[i async for i in g()]", "x => 1", "[1]"},
    {"async def g():\n  yield x\nasync for i in g(): pass\ni", "x => 1", "1"},
    {"from contextlib import asynccontextmanager\n@asynccontextmanager\nasync def m():\n  yield x\n"
     "async with m() as v: pass\nv",
     "x => 1", "1"},
    {"f'{x}', f'{x!r:>3}'", "x => 1", "{'1','  1'}"},
    {"match 1:\n  case int(v) if v == x: v = 'same'\nv", "x => 1", "'same'"},
    {"''.join(sorted(f'{__class__}{print}{match}'))", "'__class__' => 'a', print => 'b', match => 'c'", "'abc'"},
    /* the normal form that Python's compiler gives to names */
    {"ﬁ + fi", "'ﬁ' => 1", "2"},
    {"x", "x => 'text'", "'text'"},
    {"'text'", "x => 1", "'text'"},
    {"", "x => 1", "nil"},
    {"# a comment", "x => 1", "nil"},
    {"y = x", "x => 1", "nil"},
    {"1", "", "1"},
};

START_TEST(are_seen_by_the_code)
{
    struct session *session = SESSION();
    EVALUATE(session, seen);
    session_expect_value(session, "[n for n in ('x', 'z', '__class__', 'print', 'fi') if n in globals()]", "[]");
    session_end(session, 0);
}
END_TEST

START_TEST(hide_variables_of_the_session)
{
    struct session *session = SESSION();
    session_expect_value(session, "x = 'old'\ndef f(): return x", "nil");
    session_send(session, "{eval, 1, %s, #{bindings => #{x => 1}}}", "x, f(), (lambda: x)(), globals()['x']");
    session_expect(session, "{ok,1,{1,'old',1,'old'}}");
    session_send(session, "{exec, 1, 'x += 1\ny = x', #{bindings => #{x => 1}}}");
    session_expect(session, "{ok,1,nil}");
    session_expect_value(session, "x, y", "{'old',2}");
    session_send(session, "{call, 1, 'x.bit_length', [], #{}, #{bindings => #{x => 8}}}");
    session_expect(session, "{ok,1,4}");
    session_send(session, "{call, 1, 'f', [], #{}, #{bindings => #{x => 8}}}");
    session_expect(session, "{ok,1,'old'}");
    session_end(session, 0);
}
END_TEST

/* -- what the code sets -------------------------------------------------------------------------------------------- */

/* Of each, `left` is what stays in the session. */
static const struct {
    const char *code, *reply, *left;
} assignments[] = {
    {"x = x + 1\nx", "2", "[]"},
    {"x += 1\ndef f(): return x\nf()", "2", "['f']"},
    {"def f():\n  nonlocal x\n  x += 1\nf()\nf()\nx", "3", "['f']"},
    {"def f():\n  global x\n  x = 5\nf()\nx, globals()['x']", "{1,5}", "['f','x']"},
    {"[x := i for i in range(3)]\nx", "2", "[]"},
    {"[a := i for i in range(3)]\nx, a", "{1,2}", "['a']"},
    {"(a := x + 1)", "2", "['a']"},
    {"for x in range(3): pass\nx", "2", "[]"},
    {"for a in range(3): pass\nx", "1", "['a']"},
    {"import math as x\nx.floor(1.5)", "1", "[]"},
    {"import os.path, math as m\nm.floor(x)", "1", "['m','os']"},
    {"from math import pi as x\nx > 3", "true", "[]"},
    {"def x(): return 5\nx(), x.__qualname__", "{5,'x'}", "[]"},
    {"class x:\n  def m(self): return x\nx().m() is x, x.__qualname__, x.m.__qualname__", "{true,'x','x.m'}", "[]"},
    {"a, (b, *c) = x, (2, 3, 4)\na, b, c", "{1,2,[3,4]}", "['a','b','c']"},
    {"a = b = x\ndel b\na", "1", "['a']"},
    {"try: 1/0\nexcept ZeroDivisionError as e: a = str(e)\na", "'division by zero'", "['a']"},
    {"try: 1/0\nexcept ZeroDivisionError as x: a = str(x)\na", "'division by zero'", "['a']"},
    {"match {'k': 1, 'l': 2}:\n  case {'k': a, **b}: pass\nmatch [1, 2]:\n  case [1, *c] as d: pass\na, b, c, d",
     "{1,#{'l'=>2},[2],[1,2]}", "['a','b','c','d']"},
    {"match 5:\n  case x: pass\nx", "5", "[]"},
    {"with open('/dev/null') as a: pass\na.closed", "true", "['a']"},
    {"with open('/dev/null') as x: pass\nx.closed", "true", "[]"},
    {"if x:\n  a = 1\nelse:\n  b = 1\na", "1", "['a']"},
    {"def f():\n  global a\n  a = x\nf()\na", "1", "['a','f']"},
    {"global a\na = x\na", "1", "['a']"},
    {"from math import *\nfloor(x), 'ceil' in globals()", "{1,true}", "'many'"},
    {"x: int = x + 1\nx", "2", "[]"},
    {"'a text'\na = 1\n__doc__", "'a text'", "['a']"},
    {"class A:\n  a = x\n  b: int = x\nA.a, A.b, list(A.__annotations__)", "{1,1,['b']}", "['A']"},
    {"def outer():\n  def inner(): return x\n  return inner\nouter().__qualname__", "'outer.<locals>.inner'",
     "['outer']"},
    {"(lambda: x).__qualname__, (i for i in []).__qualname__", "{'<lambda>','<genexpr>'}", "[]"},
};

START_TEST(are_all_that_the_code_does_not_leave)
{
    struct session *session = SESSION();
    session_expect_value(session,
                         "import sys\nbefore = set(globals()) | {'before', 'added', '__doc__', "
                         "'__annotations__', '__annotate__', '__conditional_annotations__'}\n"
                         "def added():\n"
                         "  names = sorted(set(globals()) - before)\n"
                         "  for name in names: del globals()[name]\n"
                         "  return names if len(names) < 10 else 'many'",
                         "nil");
    for (size_t i = 0; i < sizeof assignments / sizeof *assignments; i++) {
        session_send(session, "{eval, 1, %s, #{bindings => #{x => 1}}}", assignments[i].code);
        session_expect(session, "{ok,1,%s}", assignments[i].reply);
        session_expect_value(session, "added()", assignments[i].left);
    }
    session_end(session, 0);
}
END_TEST

/* -- annotations --------------------------------------------------------------------------------------------------- */

START_TEST(leave_annotations_to_the_session)
{
    struct session *session = SESSION();
    static const struct bound cases[] = {
        {"a: x = 1\nb: 'text'\nif a: c: int = 2\nif not a: d: int\na, c, list(__import__('__main__').__annotations__)",
         "x => 'seen'", "{1,2,['a','b','c']}"},
        {"__import__('__main__').__annotations__['a']", "", "'seen'"},
        {"class C: pass\nc = C()\nc.a: int = x\n(e): int = x\n[0][0]: int = x\nc.a, e", "x => 1", "{1,1}"},
        {"from __future__ import annotations\ng: list[undefined] | None = x\nannotations.compiler_flag > 0, "
         "__annotations__['g']",
         "x => 1", "{true,'list[undefined] | None'}"},
        {"'text'\nfrom __future__ import annotations, division\ndef f(a: undefined): return x\nf(1), f.__annotations__",
         "x => 1", "{1,#{'a'=>'undefined'}}"},
        {"def f(a: x): return a\nf.__annotations__", "x => 1", "#{'a'=>1}"},
    };
    EVALUATE(session, cases);
    session_end(session, 0);
}
END_TEST

/* -- locals(), eval(), exec() -------------------------------------------------------------------------------------- */

static const struct bound dynamic[] = {
    {"eval('x + 1'), eval('x + y', {'x': 5, 'y': 6})", "x => 1", "{2,11}"},
    {"exec('a = x + 1')\na, globals()['a']", "x => 1", "{2,2}"},
    {"exec('x = 5')\nx, 'x' in globals()", "x => 1", "{5,false}"},
    {"exec('def f(): return 7')\nf()", "x => 1", "7"},
    {"x += 1\nlocals()['x'], eval('x')", "x => 1", "{2,2}"},
    {"locals()['b'] = 3\nb, globals()['b']", "x => 1", "{3,3}"},
    {"v = locals()\nsorted(set(v) - set(globals())), v.get('x'), v.get('nothing'), 'b' in v, 'nothing' in v",
     "x => 1, y => 2", "{['x','y'],1,nil,true,false}"},
    {"v = locals()\nlen(v) - len(globals()), dict(v)['x'], {**v}['x'], (v | {})['x'], v.copy()['x']", "x => 1",
     "{1,1,1,1,1}"},
    {"del x\n'x' in locals(), 'x' in list(locals())", "x => 1", "{false,false}"},
    {"exec('del x')\n'x' in locals()", "x => 1", "false"},
    {"v.pop('x', 'none')", "v => #{}", "'none'"},
    {"i = 5\n[i for i in range(3)]\nlocals()\n[locals() and i for i in range(3)]\nlocals()\ni", "x => 1", "5"},
    {"import sys\ndef names(): return sys._getframe(1).f_locals\nnames()['x'], sys._getframe().f_code.co_name",
     "x => 1", "{1,'<module>'}"},
    {"globals() is sys._getframe().f_globals, globals() is __import__('__main__').__dict__", "x => 1", "{true,true}"},
    {"import sys\ndef tracer(*_): return tracer\nsys.settrace(tracer)\nx += 1\nsys.settrace(None)\nx, 'x' in globals()",
     "x => 1", "{2,false}"},
    {"vars() == locals(), 'x' in dir()", "x => 1", "{true,true}"},
};

START_TEST(are_locals)
{
    struct session *session = SESSION();
    EVALUATE(session, dynamic);
    session_end(session, 0);
}
END_TEST

/* -- what looks at the code ---------------------------------------------------------------------------------------- */

static const struct bound inspected[] = {
    {"import inspect, pickle\ndef f(a):\n  return a + 1\ninspect.getsource(f), pickle.loads(pickle.dumps(f)) is f, "
     "f.__closure__, f.__module__",
     "x => 1", "{'def f(a):\n  return a + 1\n',true,nil,'__main__'}"},
    {"class P:\n  def __init__(self): self.a = x\npickle.loads(pickle.dumps(P())).a, P.__module__", "x => 5",
     "{5,'__main__'}"},
    {"from dataclasses import dataclass\n@dataclass\nclass D:\n  a: int = x\nD().a, repr(D())", "x => 5",
     "{5,'D(a=5)'}"},
    {"from enum import Enum\nclass E(Enum):\n  A = x\nE.A.value, pickle.loads(pickle.dumps(E.A)) is E.A", "x => 5",
     "{5,true}"},
};

START_TEST(stay_out_of_the_way)
{
    struct session *session = SESSION();
    EVALUATE(session, inspected);
    session_end(session, 0);
}
END_TEST

/* -- errors -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *code, *kind, *part;
} failures[] = {
    {"a = 1\nreturn x", "syntax", "line 2\nSyntaxError: 'return' outside function"},
    {"a = 1\nyield x", "syntax", "'yield' outside function"},
    {"[(yield x)]", "syntax", "'yield' outside function"},
    {"nonlocal x", "syntax", "nonlocal declaration not allowed at module level"},
    {"def f():\n  nonlocal y", "syntax", "no binding for nonlocal 'y' found"},
    {"def f():\n  nonlocal x\n  nonlocal y", "syntax", "line 3\n"},
    {"a = 1\nglobal x", "syntax", "line 2\n    global x\n    ^^^^^^^^\nSyntaxError: name 'x' is a binding and global"},
    {"a = 1\nfrom __future__ import annotations", "syntax", "from __future__ imports must occur at the beginning"},
    {"from __future__ import nothing", "syntax", "future feature nothing is not defined"},
    {"a = 1\nb = x +", "syntax", "line 2\n    b = x +\n           ^\nSyntaxError: invalid syntax"},
    {"break", "syntax", "'break' outside loop"},
    {"a = 1\nglobal a", "syntax", "assigned to before global declaration"},
    {"\n\na = 1 + (x / 0)", "exception", "line 3, in <module>\n    a = 1 + (x / 0)\n             ~~^~~\nZero"},
    {"\n(x /\n 0)", "exception", ", line 2, in <module>\n"},
    {"def f(): return 1 / x\nx = 0\nf()", "exception",
     "line 3, in <module>\n    f()\n  File|line 3, in <module>\n    f()\n    ~^^\n"},
    {"def f(): return 1 / x\nx = 0\nf()", "exception", "line 1, in f\n    def f(): return 1 / x\n"},
    {"import asyncio\nawait asyncio.sleep(0)\n1 / 0", "exception", "line 3, in <module>\n    1 / 0\n    ~~^~~\n"},
    {"from math import *\nfrom nothing_there import *", "exception",
     "line 2, in <module>\n    from nothing_there import *\nModuleNotFoundError: No module named 'nothing_there'"},
    {"del x\nx", "exception", "NameError"},
    {"y", "exception", "name 'y' is not defined"},
    {"class A:\n  x = x", "exception", "name 'x' is not defined"},
    {"try: 1/0\nexcept ZeroDivisionError as x: pass\nx", "exception", "NameError"},
};

/* `part` may have two forms, of which newer versions print the second. */
static bool contains(const char *text, const char *part)
{
    const char *bar = strchr(part, '|');
    if (bar == NULL)
        return strstr(text, part) != NULL;
    return memmem(text, strlen(text), part, (size_t)(bar - part)) != NULL || strstr(text, bar + 1) != NULL;
}

START_TEST(fail_in_the_right_place)
{
    struct session *session = SESSION();
    char start[64];
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        session_send(session, "{eval, 1, %s, #{bindings => #{x => 1}}}", failures[i].code);
        const char *reply = session_next_reply(session);
        snprintf(start, sizeof start, "{error,1,#{kind=>%s,", failures[i].kind);
        ck_assert_msg(strncmp(reply, start, strlen(start)) == 0, "%s: %s", failures[i].code, reply);
        ck_assert_msg(contains(reply, failures[i].part), "%s: %s", failures[i].code, reply);
    }
    session_send(session, "{eval, 1, 'a = 1\nx / 0', #{bindings => #{x => 1}, file => 'lib/some.ex', line => 20}}");
    session_expect_error(session, "1", "exception", "File \"lib/some.ex\", line 21, in <module>\n    x / 0\n");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

static const struct {
    const char *request, *part;
} refusals[] = {
    {"{eval, 1, '1', #{bindings => #{'if' => 1}}}", "bindings: 'if' is a word of Python's own"},
    {"{eval, 1, '1', #{bindings => #{'None' => 1}}}", "bindings: 'None' is a word of Python's own"},
    {"{eval, 1, '1', #{bindings => #{'__debug__' => 1}}}", "bindings: '__debug__' is a word of Python's own"},
    {"{eval, 1, '1', #{bindings => #{'a b' => 1}}}", "bindings: 'a b' is no Python name"},
    {"{eval, 1, '1', #{bindings => #{1 => 1}}}", "bindings: 1 is no Python name"},
    {"{eval, 1, '1', #{bindings => #{'ﬁ' => 1, 'fi' => 2}}}", "bindings: the name 'fi' is given twice"},
    {"{call, 1, 'len', [[]], #{}, #{bindings => #{'a b' => 1}}}", "bindings: 'a b' is no Python name"},
    {"{stream, 1, '[]', #{bindings => #{'a b' => 1}}}", "bindings: 'a b' is no Python name"},
    {"{assign, 1, #{'a b' => 1, a => 2}}", "variables: 'a b' is no Python name"},
    {"{assign, 1, #{'if' => 1}}", "variables: 'if' is a word of Python's own"},
    {"{assign, 1, [1]}", "variables is a map"},
    {"{assign, 1, #{a => 1}, #{color => red}}", "unknown option color"},
    {"{assign, 1, #{a => 1}, #{bindings => #{b => 1}}}", "options: assign takes no bindings"},
};

START_TEST(need_names)
{
    struct session *session = SESSION();
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        session_send(session, refusals[i].request);
        session_expect_error(session, "1", "bad_request", refusals[i].part);
    }
    session_expect_value(session, "[n for n in ('a', 'b') if n in globals()]", "[]");
    session_end(session, 0);
}
END_TEST

START_TEST(warn_once)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, '\nx is 1', #{bindings => #{x => 5}}}");
    const char *warning = session_next(session);
    ck_assert_msg(strncmp(warning, "{log,1,warning,", 15) == 0 && strstr(warning, "SyntaxWarning") != NULL, "%s",
                  warning);
    session_expect(session, "{ok,1,false}");
    session_end(session, 0);
}
END_TEST

/* -- more than one request ----------------------------------------------------------------------------------------- */

START_TEST(do_not_mix)
{
    struct session *session = SESSION();
    session_expect_value(session, "import asyncio", "nil");
    for (int n = 1; n <= 5; n++)
        session_send(session,
                     "{eval, %d, 'await asyncio.sleep(0.05)\nx', #{concurrent => true, bindings => #{x => %d}}}", n,
                     10 * n);
    bool had[6] = {false};
    for (int n = 1; n <= 5; n++) {
        int id, value;
        const char *reply = session_next_reply(session);
        ck_assert_msg(sscanf(reply, "{ok,%d,%d}", &id, &value) == 2 && id >= 1 && id <= 5 && value == 10 * id, "%s",
                      reply);
        ck_assert(!had[id]);
        had[id] = true;
    }
    session_expect_value(session, "'x' in globals()", "false");
    session_end(session, 0);
}
END_TEST

START_TEST(do_not_mix_in_streams)
{
    static const char *const codes[] = {"(x + i for i in range(3))", "def g():\n  for i in range(3): yield x + i\ng()",
                                        "async def a():\n  for i in range(3): yield x + i\na()"};
    struct session *session = SESSION();
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        session_send(session, "{stream, a, %s, #{bindings => #{x => 10}}}", codes[i]);
        session_send(session, "{stream, b, %s, #{bindings => #{x => 20}}}", codes[i]);
        for (int n = 0; n < 3; n++) {
            session_send(session, "{next, a, 1}");
            session_expect(session, "{yield,a,%d}", 10 + n);
            session_send(session, "{next, b, 1}");
            session_expect(session, "{yield,b,%d}", 20 + n);
        }
        session_send(session, "{next, a, 1}");
        session_expect(session, "{ok,a,nil}");
        session_send(session, "{next, b, 1}");
        session_expect(session, "{ok,b,nil}");
    }
    session_end(session, 0);
}
END_TEST

/* The same text with other names, in another place, with no names: each has its own code. */
START_TEST(are_compiled_by_their_names)
{
    struct session *session = SESSION();
    session_expect_value(session, "x, y = 1, 2", "nil");
    for (int round = 0; round < 2; round++) {
        static const struct bound cases[] = {
            {"x, y", "x => 10", "{10,2}"},
            {"x, y", "y => 20", "{1,20}"},
            {"x, y", "x => 10, y => 20", "{10,20}"},
            {"x, y", "y => 20, x => 10", "{10,20}"},
            {"x, y", "", "{1,2}"},
            {"x, y", "z => 1", "{1,2}"},
        };
        EVALUATE(session, cases);
        session_send(session, "{exec, 1, 'x / 0', #{bindings => #{x => 1}, file => 'one.ex', line => 5}}");
        session_expect_error(session, "1", "exception", "File \"one.ex\", line 5, in <module>\n    x / 0\n");
        session_send(session, "{exec, 1, 'x / 0', #{bindings => #{x => 1}, file => 'one.ex', line => 7}}");
        session_expect_error(session, "1", "exception", "File \"one.ex\", line 7, in <module>\n    x / 0\n");
        session_send(session, "{exec, 1, 'y / 0', #{bindings => #{y => 1}, file => 'one.ex', line => 5}}");
        session_expect_error(session, "1", "exception", "File \"one.ex\", line 5, in <module>\n    y / 0\n");
    }
    session_end(session, 0);
}
END_TEST

/* A value is freed with its request, however that ends, unless Python keeps it. */
START_TEST(are_freed_with_their_request)
{
    static const struct {
        const char *operation, *code;
        bool keeps;
    } cases[] = {
        {"eval", "f.label", false},
        {"exec", "f.label = 'b'", false},
        {"eval", "def g(): return 1\n[f for _ in [0]]\n(lambda: f)().label", false},
        {"eval", "1 / 0", false},
        {"eval", "def h(): raise KeyError(f.label)\nh()", true},
        {"eval", "sorted(locals())\neval('f.label')", false},
        {"eval", "import asyncio\nawait asyncio.sleep(0)\nf.label", false},
        {"eval", "import asyncio\nawait asyncio.sleep(0)\n1 / 0", false},
        {"eval", "try: 1 / 0\nexcept ZeroDivisionError as e: pass\nf.label", false},
        {"eval", "del f", false},
        {"eval", "syntax error", false},
        {"eval", "kept = f\nkept.label", true},
        {"eval", "def user(): return f\nuser().label", true},
    };
    struct session *session = SESSION();
    session_expect_value(session,
                         "import gc, weakref\nclass Thing:\n  label = 'a'\ndef made(): \n  global seen\n"
                         "  thing = Thing()\n  seen = weakref.ref(thing)\n  return thing\n"
                         "def left():\n  for name in ('kept', 'user', 'h'): globals().pop(name, None)",
                         "nil");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        session_send(session, "{call, 0, 'made', [], #{}, #{return => ref}}");
        const char *reply = session_next_reply(session);
        const char *number = strstr(reply, "ref=>");
        ck_assert_msg(number != NULL, "%s", reply);
        long long reference = atoll(number + strlen("ref=>"));
        session_send(session, "{%a, 1, %s, #{bindings => #{f => {$ref, %d}}}}", cases[i].operation, cases[i].code,
                     reference);
        ck_assert_ptr_nonnull(session_next_reply(session));
        session_send(session, "{release, [%d]}", reference);
        session_expect_value(session, "seen() is not None", cases[i].keeps ? "true" : "false");
        session_expect_value(session, "left()\nseen() is not None", "false");
    }
    session_end(session, 0);
}
END_TEST

/* -- assign -------------------------------------------------------------------------------------------------------- */

START_TEST(assign_sets_variables)
{
    struct session *session = SESSION();
    ck_assert_ptr_nonnull(strstr(session_ready(session), "local_bindings,assign"));
    session_send(session, "{assign, 1, #{x => 1, 'y' => [2, 'a'], 'ﬁ' => 3}}");
    session_expect(session, "{ok,1,nil}");
    session_expect_value(session, "x, y, fi, {type(name) for name in globals()} == {str}", "{1,[2,'a'],3,true}");
    session_send(session, "{assign, 1, #{x => 'b'}, #{binaries => bytes, timeout => 1000}}");
    session_expect(session, "{ok,1,nil}");
    session_expect_value(session, "type(x) is bytes", "true");
    session_send(session, "{assign, 1, #{}}");
    session_expect(session, "{ok,1,nil}");
    session_send(session, "{assign, 1, #{a => {$ref, 5}}}");
    session_expect_error(session, "1", "undecodable", "variables[\"a\"]: there is no object");
    session_end(session, 0);
}
END_TEST

Suite *session_bindings_suite(void)
{
    Suite *suite = suite_create("session_bindings");
    TCase *tcase = tcase_create("bindings");
    int pythons = pythons_count();
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, are_seen_by_the_code, 0, pythons);
    tcase_add_loop_test(tcase, hide_variables_of_the_session, 0, pythons);
    tcase_add_loop_test(tcase, are_all_that_the_code_does_not_leave, 0, pythons);
    tcase_add_loop_test(tcase, leave_annotations_to_the_session, 0, pythons);
    tcase_add_loop_test(tcase, are_locals, 0, pythons);
    tcase_add_loop_test(tcase, stay_out_of_the_way, 0, pythons);
    tcase_add_loop_test(tcase, fail_in_the_right_place, 0, pythons);
    tcase_add_loop_test(tcase, need_names, 0, pythons);
    tcase_add_loop_test(tcase, warn_once, 0, pythons);
    tcase_add_loop_test(tcase, do_not_mix, 0, pythons);
    tcase_add_loop_test(tcase, do_not_mix_in_streams, 0, pythons);
    tcase_add_loop_test(tcase, are_compiled_by_their_names, 0, pythons);
    tcase_add_loop_test(tcase, are_freed_with_their_request, 0, pythons);
    tcase_add_loop_test(tcase, assign_sets_variables, 0, pythons);
    return suite;
}
