/* Results in the form that a request asks for: objects of named types with their attributes, and as notebooks show
 * them. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "pythons.h"
#include "session_driver.h"
#include "suites.h"

struct result {
    const char *code, *options, *reply;
};

static const char *const classes = //
    "import collections, dataclasses, datetime, decimal, enum, erlang\n"
    "class Point:\n"
    "  def __init__(self, x=1, y=2): self.x, self.y = x, y\n"
    "class Place(Point):\n"
    "  pass\n"
    "class Slots:\n"
    "  __slots__ = 'a', '__b', 'unset'\n"
    "  def __init__(self): self.a, self.__b = 1, 2\n"
    "class Both(Slots):\n"
    "  def __init__(self): super().__init__(); self.c = Point()\n"
    "@dataclasses.dataclass\n"
    "class Data:\n"
    "  x: int = 1\n"
    "Pair = collections.namedtuple('Pair', 'left right')\n"
    "class Tags(list): pass\n"
    "class Color(enum.Enum): RED = 'red'\n"
    "class Failed(ValueError):\n"
    "  def __init__(self, code): super().__init__('failed'); self.code = code\n"
    "class Encoded: pass\n"
    "erlang.register_encoder(Encoded, lambda value: ['encoded'])\n"
    "class Outer:\n"
    "  class Inner: pass\n";

/* -- named types -------------------------------------------------------------------------------------------------- */

#define POINT "types => ['__main__.Point']"

static const struct result named[] = {
    {"Point()", POINT, "{ok,1,{$object,'__main__.Point','__main__.Point',#{'x'=>1,'y'=>2}}}"},
    {"Place()", POINT, "{ok,1,{$object,'__main__.Point','__main__.Place',#{'x'=>1,'y'=>2}}}"},
    /* its own name comes before that of its base */
    {"Place()", "types => ['__main__.Point', '__main__.Place']",
     "{ok,1,{$object,'__main__.Place','__main__.Place',#{'x'=>1,'y'=>2}}}"},
    {"[{'p': (Point(), 5)}]", POINT,
     "{ok,1,[#{'p'=>{{$object,'__main__.Point','__main__.Point',#{'x'=>1,'y'=>2}},5}}]}"},
    {"Point(Point(3, 4))", POINT,
     "{ok,1,{$object,'__main__.Point','__main__.Point',"
     "#{'x'=>{$object,'__main__.Point','__main__.Point',#{'x'=>3,'y'=>4}},'y'=>2}}}"},
    {"{Point(): 1}", POINT, "{ok,1,#{{$object,'__main__.Point','__main__.Point',#{'x'=>1,'y'=>2}}=>1}}"},
    {"Slots()", "types => ['__main__.Slots']",
     "{ok,1,{$object,'__main__.Slots','__main__.Slots',#{'a'=>1,'_Slots__b'=>2}}}"},
    {"Both()", "types => ['__main__.Slots', '__main__.Point']",
     "{ok,1,{$object,'__main__.Slots','__main__.Both',#{'a'=>1,'_Slots__b'=>2,"
     "'c'=>{$object,'__main__.Point','__main__.Point',#{'x'=>1,'y'=>2}}}}}"},
    {"Failed(5)", "types => ['ValueError']",
     "{ok,1,{$object,'ValueError','__main__.Failed',#{'args'=>{'failed'},'code'=>5}}}"},
    {"Outer.Inner()", "types => ['__main__.Outer.Inner']",
     "{ok,1,{$object,'__main__.Outer.Inner','__main__.Outer.Inner',#{}}}"},
    /* what has a form of its own is sent in it, and named tuples as their fields */
    {"Data()", "types => ['__main__.Data']", "{ok,1,{$object,'__main__.Data','__main__.Data',#{'x'=>1}}}"},
    {"Pair(1, 2)", "types => ['__main__.Pair']",
     "{ok,1,{$object,'__main__.Pair','__main__.Pair',#{'left'=>1,'right'=>2}}}"},
    {"Tags([1, 2])", "types => ['__main__.Tags']", "{ok,1,{$object,'__main__.Tags','__main__.Tags',[1,2]}}"},
    {"Color.RED", "types => ['enum.Enum']", "{ok,1,{$object,'enum.Enum','__main__.Color','red'}}"},
    {"Encoded()", "types => ['__main__.Encoded']",
     "{ok,1,{$object,'__main__.Encoded','__main__.Encoded',['encoded']}}"},
    {"{1}", "types => ['set']", "{ok,1,{$object,'set','set',#{'map'=>#{1=>[]},__struct__=>Elixir.MapSet}}}"},
};

START_TEST(sends_named_types_with_their_attributes)
{
    struct session *session = SESSION();
    session_expect_value(session, classes, "nil");
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        char request[256];
        ck_assert_int_lt(snprintf(request, sizeof request, "{eval, 1, %%s, #{%s}}", named[i].options), sizeof request);
        for (int again = 0; again < 2; again++) {
            session_send(session, request, named[i].code);
            const char *reply = session_next(session);
            /* The order of a struct's keys is not that of other maps. */
            if (strstr(named[i].reply, "__struct__") == NULL)
                ck_assert_str_eq(reply, named[i].reply);
            else
                ck_assert_int_eq(strncmp(reply, named[i].reply, 24), 0);
        }
    }
    /* Plain values are none of them, whatever the names. */
    session_send(session,
                 "{eval, 1, '[1, 2.5, {}, (), None, True]', #{types => ['int', 'float', 'dict', 'tuple', 'object']}}");
    session_expect(session, "{ok,1,[1,2.5,#{},{},nil,true]}");
    session_end(session, 0);
}
END_TEST

START_TEST(refuses_what_has_no_attributes)
{
    struct session *session = SESSION();
    session_expect_value(session, classes, "nil");
    session_send(session, "{eval, 1, %s, #{types => ['object']}}", "[Point(object())]");
    session_expect_error(session, "1", "unencodable", "result[0][\"x\"]: object has no attributes that could be sent");
    session_send(session, "{eval, 1, %s, #{types => ['__main__.Point']}}", "[Point(object())]");
    session_expect_error(session, "1", "unencodable", "result[0][\"x\"]: builtins.object has no Erlang term");
    session_send(session, "{eval, 1, %s, #{types => ['__main__.Point']}}", "p = Point(); p.x = [p]; p");
    session_expect_error(session, "1", "unencodable", "nested too deeply, or without end");
    session_send(session, "{eval, 1, %s, #{types => []}}", "Point()");
    session_expect_error(session, "1", "unencodable", "result: __main__.Point has no Erlang term");
    session_send(session, "{eval, 1, %s, #{types => ['__main__.Point'], max_result => 1000}}", "Point('x' * 1000)");
    session_expect_error(session, "1", "unencodable", "result[\"x\"]: the value takes at least");
    static const char *const bad[] = {"a", "['a', b]", "#{}", "[1]", "'__main__.Point'"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char request[128];
        snprintf(request, sizeof request, "{eval, 1, '1', #{types => %s}}", bad[i]);
        session_send(session, request);
        session_expect_error(session, "1", "bad_request", "options: types is a list of binaries");
    }
    session_end(session, 0);
}
END_TEST

START_TEST(names_types_of_references_and_items)
{
    struct session *session = SESSION();
    session_expect_value(session, classes, "nil");
    session_send(session, "{eval, 1, 'Place()', #{types => ['__main__.Point'], return => ref}}");
    const char *reply = session_next(session);
    static const char *const head = "{ok,1,{$object,'__main__.Point','__main__.Place',#{";
    ck_assert_msg(strncmp(reply, head, strlen(head)) == 0 && strstr(reply, "Elixir.PythonxPort.Object") != NULL, "%s",
                  reply);
    session_send(session, "{eval, 1, '5', #{types => ['__main__.Point'], return => ref}}");
    ck_assert_ptr_nonnull(strstr(session_next(session), "Elixir.PythonxPort.Object"));
    session_send(session, "{stream, 2, '(Point(i) for i in range(2))', #{types => ['__main__.Point'], batch => 5}}");
    session_send(session, "{next, 2, 5}");
    session_expect(session, "{yields,2,[{$object,'__main__.Point','__main__.Point',#{'x'=>0,'y'=>2}},"
                            "{$object,'__main__.Point','__main__.Point',#{'x'=>1,'y'=>2}}]}");
    session_expect(session, "{ok,2,nil}");
    session_send(session, "{call, 3, '__main__.Point', [], #{}, #{types => ['__main__.Point']}}");
    session_expect(session, "{ok,3,{$object,'__main__.Point','__main__.Point',#{'x'=>1,'y'=>2}}}");
    session_end(session, 0);
}
END_TEST

/* A cancel that comes while an item is encoded is not lost. */
START_TEST(ends_streams_of_named_types)
{
    struct session *session = SESSION();
    session_expect_value(session, classes, "nil");
    for (int round = 0; round < 300; round++) {
        session_send(session, "{stream, 2, '(Point(i) for i in range(10 ** 9))', #{" POINT ", batch => 8}}");
        session_send(session, "{next, 2, 1000000000}");
        for (int i = 0; i < 1 + round % 5; i++)
            ck_assert_ptr_nonnull(session_next(session));
        session_send(session, "{cancel, 2}");
        const char *reply;
        while ((reply = session_next(session)) != NULL && strncmp(reply, "{yields,", 8) == 0)
            ;
        ck_assert_msg(reply != NULL && strncmp(reply, "{error,2,#{kind=>cancelled", 26) == 0, "%s", reply);
    }
    session_end(session, 0);
}
END_TEST

/* A type with the name, and at the address, of one that is gone, is another type. */
START_TEST(forgets_types_that_are_gone)
{
    struct session *session = SESSION();
    for (int round = 0; round < 20; round++) {
        session_send(session, "{eval, 1, %s, #{types => ['__main__.A']}}",
                     "import gc\nclass A: x = 0\na = A()\na.x = 1\na");
        session_expect(session, "{ok,1,{$object,'__main__.A','__main__.A',#{'x'=>1}}}");
        session_send(session, "{exec, 1, 'del a, A; gc.collect()'}");
        session_expect(session, "{ok,1,nil}");
        session_send(session, "{eval, 1, %s, #{types => ['__main__.A']}}", "class B: pass\nB()");
        session_expect_error(session, "1", "unencodable", "__main__.B has no Erlang term");
    }
    /* More lists of names than are kept. */
    for (int names = 0; names < 200; names++) {
        char request[128];
        snprintf(request, sizeof request, "{eval, 1, 'B()', #{types => ['n%d', '__main__.B']}}", names);
        session_send(session, request);
        session_expect(session, "{ok,1,{$object,'__main__.B','__main__.B',#{}}}");
    }
    session_end(session, 0);
}
END_TEST

/* -- as notebooks show it ----------------------------------------------------------------------------------------- */

static const char *const shown_classes = //
    "class Page:\n"
    "  def _repr_html_(self): return '<p>'\n"
    "  def _repr_png_(self): return b'PNG'\n"
    "  def _repr_svg_(self): return '<svg>', {'width': 1}\n"
    "  def _repr_markdown_(self): return None\n"
    "  def _repr_latex_(self): raise NotImplementedError\n"
    "  def __repr__(self): return 'Page()'\n"
    "class Bundle(Page):\n"
    "  def _repr_mimebundle_(self, include=None, exclude=None):\n"
    "    return {'text/plain': 'text', 'image/png': 'UE5H', 'application/json': {'a': 1}}, {}\n"
    "class Odd:\n"
    "  def _repr_mimebundle_(self, include, exclude): return [1]\n"
    "  def _repr_html_(self): return 5\n"
    "  def _repr_png_(self): return 'no base64!'\n"
    "  def _repr_markdown_(self): raise ValueError('no markdown')\n"
    "  def _repr_latex_(self): return '\\ud800'\n"
    "  def __repr__(self): raise ValueError('no repr')\n"
    "class Everything:\n"
    "  def __getattr__(self, name): return lambda *a, **k: 'everything'\n"
    "  def __repr__(self): return 'E'\n";

#define SHOWN(html, markdown, latex, svg, png, jpeg, data)                                                             \
    "html=>" html ",markdown=>" markdown ",latex=>" latex ",svg=>" svg ",png=>" png ",jpeg=>" jpeg ",data=>#{" data    \
    "}}}"

static void expect_shown(struct session *session, const char *code, const char *text, const char *rest)
{
    char expected[512];
    session_send(session, "{eval, 1, %s, #{return => rich}}", code);
    snprintf(expected, sizeof expected, "{ok,1,#{__struct__=>Elixir.PythonxPort.Rich,text=>%s,%s", text, rest);
    ck_assert_str_eq(session_next_reply(session), expected);
}

START_TEST(shows_objects_as_notebooks_do)
{
    struct session *session = SESSION(.options = {"--atom-limit", "0"});
    session_expect_value(session, shown_classes, "nil");
    expect_shown(session, "Page()", "'Page()'", SHOWN("'<p>'", "nil", "nil", "'<svg>'", "'PNG'", "nil", ""));
    expect_shown(session, "Bundle()", "'text'",
                 SHOWN("'<p>'", "nil", "nil", "'<svg>'", "'PNG'", "nil", "'application/json'=>#{'a'=>1}"));
    expect_shown(session, "'a'", "''a''", SHOWN("nil", "nil", "nil", "nil", "nil", "nil", ""));
    /* A class is no instance; what has every attribute has no such method. */
    expect_shown(session, "int", "'<class 'int'>'", SHOWN("nil", "nil", "nil", "nil", "nil", "nil", ""));
    expect_shown(session, "Everything()", "'E'", SHOWN("nil", "nil", "nil", "nil", "nil", "nil", ""));
    session_send(session, "{eval, 1, 'x = 1', #{return => rich}}");
    session_expect(session, "{ok,1,nil}");
    session_send(session, "{stream, 2, '[Page()]', #{return => rich}}");
    session_send(session, "{next, 2, 5}");
    ck_assert_ptr_nonnull(strstr(session_next(session), "html=>'<p>'"));
    session_expect(session, "{ok,2,nil}");
    session_end(session, 0);
}
END_TEST

/* The others are used, and the output of the request says what is wrong. */
START_TEST(reports_methods_that_fail)
{
    struct session *session = SESSION();
    session_expect_value(session, shown_classes, "nil");
    session_send(session, "{eval, 1, %s, #{return => rich}}",
                 "import io\nerrors = io.StringIO()\nimport sys\nsys.stderr, before = errors, sys.stderr\nOdd()");
    const char *reply = session_next_reply(session);
    ck_assert_ptr_nonnull(strstr(reply, "text=>'<__main__.Odd object at "));
    ck_assert_ptr_nonnull(strstr(reply, "html=>nil,markdown=>nil,latex=>'\\ud800',svg=>nil,png=>nil"));
    session_expect_value(session,
                         "sys.stderr = before\n[line for line in errors.getvalue().splitlines() if 'Odd' in line or "
                         "line.startswith('ValueError')]",
                         "['__main__.Odd._repr_mimebundle_ returned list, not dict',"
                         "'__main__.Odd._repr_html_ returned int for text/html, not str',"
                         "'__main__.Odd._repr_markdown_ raised','ValueError: no markdown',"
                         "'__main__.Odd._repr_png_ returned text that is not base64 for image/png, not bytes',"
                         "'__main__.Odd.__repr__ raised','ValueError: no repr']");
    session_send(session, "{eval, 1, 'sys.stderr = None; Odd()', #{return => rich}}");
    ck_assert_ptr_nonnull(strstr(session_next_reply(session), "text=>'<__main__.Odd object at "));
    session_send(session, "{eval, 1, 'sys.stderr = before; Page()', #{return => rich, max_result => 100}}");
    session_expect_error(session, "1", "unencodable", "the value takes at least");
    session_end(session, 0);
}
END_TEST

/* A method is the user's code, which a timeout ends. */
START_TEST(ends_methods_that_take_too_long)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, %s, #{return => rich, timeout => 200}}",
                 "class Slow:\n  def _repr_html_(self):\n    while True: pass\nSlow()");
    session_expect_error(session, "1", "timeout", "");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* Replies that succeed and that fail leave no objects behind. */
START_TEST(keeps_nothing_of_results)
{
    static const char *const options[] = {
        "types => ['__main__.Page', '__main__.Pair', 'set']",
        "types => ['__main__.Page', 'list_iterator']",
        "types => ['__main__.Page'], max_result => 5",
        "return => rich",
        "return => rich, max_result => 5",
    };
    struct session *session = SESSION();
    long blocks[2] = {0};
    session_expect_value(session, classes, "nil");
    session_expect_value(session, shown_classes, "nil");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            char request[128];
            snprintf(request, sizeof request, "{eval, 1, %%s, #{%s}}", options[i % 5]);
            session_send(session, request, "[Page(), Pair(1, 2), {3}, iter([])]");
            ck_assert_ptr_nonnull(session_next_reply(session));
        }
        session_send(session, "{eval, 1, 'import gc, sys; gc.collect(); sys.getallocatedblocks()'}");
        const char *reply = session_next_reply(session);
        ck_assert_int_eq(sscanf(reply, "{ok,1,%ld}", &blocks[round == 2]), 1);
    }
    ck_assert_msg(blocks[1] - blocks[0] < 200, "%ld blocks, then %ld", blocks[0], blocks[1]);
    session_end(session, 0);
}
END_TEST

Suite *session_results_suite(void)
{
    Suite *suite = suite_create("session_results");
    TCase *tcase = tcase_create("results");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, sends_named_types_with_their_attributes, 0, pythons_count());
    tcase_add_loop_test(tcase, refuses_what_has_no_attributes, 0, pythons_count());
    tcase_add_loop_test(tcase, names_types_of_references_and_items, 0, pythons_count());
    tcase_add_loop_test(tcase, ends_streams_of_named_types, 0, pythons_count());
    tcase_add_loop_test(tcase, forgets_types_that_are_gone, 0, pythons_count());
    tcase_add_loop_test(tcase, shows_objects_as_notebooks_do, 0, pythons_count());
    tcase_add_loop_test(tcase, reports_methods_that_fail, 0, pythons_count());
    tcase_add_loop_test(tcase, ends_methods_that_take_too_long, 0, pythons_count());
    tcase_add_loop_test(tcase, keeps_nothing_of_results, 0, pythons_count());
    suite_add_tcase(suite, tcase);
    return suite;
}
