/* Tests sessions under each interpreter: what requests do, and their replies. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "pythons.h"
#include "session_driver.h"
#include "suites.h"
#include "terms.h"
#include "wire/message.h"

struct exchange {
    const char *request, *reply;
};

/* Requests one after the other in one session, so that later ones can build on earlier ones. */
static void exchange_all(struct session *session, const struct exchange *exchanges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        session_send(session, exchanges[i].request);
        session_expect(session, "%s", exchanges[i].reply);
    }
}

#define EXCHANGE(session, ...)                                                                                         \
    do {                                                                                                               \
        static const struct exchange exchanges_[] = {__VA_ARGS__};                                                     \
        exchange_all(session, exchanges_, sizeof exchanges_ / sizeof *exchanges_);                                     \
    } while (0)

static void expect_part(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "expected '%s' in '%s'", part, text);
}

/* -- ready -------------------------------------------------------------------------------------------------------- */

START_TEST(says_that_it_is_ready)
{
    struct session *session = SESSION();
    const char *ready = session_ready(session);
    char part[4096];
    expect_part(ready, "{ready,#{protocol=>1,version=>'" PYTHONX_PORT_VERSION "',python=>'3.");
    snprintf(part, sizeof part, "executable=>'%s',os_pid=>%d,features=>[", pythons_path(_i), (int)session_pid(session));
    expect_part(ready, part);
    expect_part(ready, "crash_file");
    const char *version = strstr(ready, "python=>'") + strlen("python=>'");
    snprintf(part, sizeof part, "'%.*s %s'", (int)strcspn(version, "'"), version, pythons_path(_i));
    session_expect_value(session, "import sys\nsys.version.split()[0] + ' ' + sys.executable", part);
    session_end(session, 0);
}
END_TEST

/* -- eval, exec, call --------------------------------------------------------------------------------------------- */

START_TEST(evaluates)
{
    static const struct exchange evaluations[] = {
        {"1 + 1", "2"},
        {"", "nil"},
        {"# nothing", "nil"},
        {"\n\n  \n1\n\n", "1"},
        {"x = 5", "nil"},
        {"x", "5"},
        {"x = 6\nx", "6"},
        {"x; x + 1", "7"},
        {"x  # with a comment", "6"},
        {"(1 +\n 2)", "3"},
        {"import math\nmath.floor(2.5)", "2"},
        {"def double(n):\n    return 2 * n", "nil"},
        {"double(4)", "8"},
        {"if True:\n    1", "nil"},
        {"for i in range(3):\n    i", "nil"},
        {"i", "2"},
        {"[double(i) for i in range(3)]", "[0,2,4]"},
        {"class Thing:\n    size = 3\nThing().size", "3"},
        {"def outer():\n    return double(x)\nouter()", "12"},
        {"'''a\nb'''", "'a\nb'"},
        {"'\xc3\xa4'", "'\xc3\xa4'"},
        {"__name__", "'__main__'"},
        {"import __main__\n__main__.x", "6"},
        {"global y\ny = 3\ny", "3"},
        {"(z := 4)", "4"},
        {"z", "4"},
        {"None", "nil"},
        {"await_ = 1\nawait_", "1"},
        {"{'a': (1, 2.5, None)}", "#{'a'=>{1,2.5,nil}}"},
        {"import sys\nsys.argv", "['']"},
    };
    struct session *session = SESSION();
    for (size_t i = 0; i < sizeof evaluations / sizeof *evaluations; i++)
        session_expect_value(session, evaluations[i].request, evaluations[i].reply);
    session_end(session, 0);
}
END_TEST

START_TEST(executes_and_calls)
{
    struct session *session = SESSION();
    EXCHANGE(session, {"{exec, 1, 'x = 1\nx'}", "{ok,1,nil}"}, {"{exec, 1, 'x += 1', #{}}", "{ok,1,nil}"},
             {"{exec, 1, ''}", "{ok,1,nil}"}, {"{eval, 1, 'x'}", "{ok,1,2}"},
             {"{call, 1, 'len', [[1, 2]]}", "{ok,1,2}"}, {"{call, 1, len, [[1, 2]]}", "{ok,1,2}"},
             {"{call, 1, 'math.sqrt', [4]}", "{ok,1,2.0}"}, {"{call, 1, 'os.path.join', ['a', 'b']}", "{ok,1,'a/b'}"},
             {"{call, 1, 'xml.dom.minidom.getDOMImplementation', []}",
              "{error,1,#{kind=>unencodable,message=>'result: xml.dom.minidom.DOMImplementation has no Erlang term "
              "(the option return, set to ref, keeps it in Python; erlang.register_encoder gives it one)'}}"},
             {"{call, 1, 'str.upper', ['a']}", "{ok,1,'A'}"},
             {"{call, 1, 'dict', [], #{'a' => 1}}", "{ok,1,#{'a'=>1}}"},
             {"{call, 1, 'dict', [], #{a => 1, 'b' => 2}, #{}}", "{ok,1,#{'a'=>1,'b'=>2}}"},
             {"{call, 1, 'sorted', [[3, 1, 2]], #{reverse => true}}", "{ok,1,[3,2,1]}"},
             {"{exec, 1, 'def len(x): return 99'}", "{ok,1,nil}"}, {"{call, 1, 'len', [[]]}", "{ok,1,99}"},
             {"{exec, 1, 'class Box:\n    def __init__(self): self.items = []\nbox = Box()'}", "{ok,1,nil}"},
             {"{call, 1, 'box.items.append', [7]}", "{ok,1,nil}"}, {"{eval, 1, 'box.items'}", "{ok,1,[7]}"});
    session_end(session, 0);
}
END_TEST

/* An id is any term, and is sent back verbatim. */
START_TEST(answers_under_any_id)
{
    struct session *session = SESSION();
    EXCHANGE(session, {"{eval, nil, '1'}", "{ok,nil,1}"}, {"{eval, {a, 'b', [1.5]}, '1'}", "{ok,{a,'b',[1.5]},1}"},
             {"{eval, -1000000000000, '1'}", "{ok,-1000000000000,1}"}, {"{eval, #{}, '1'}", "{ok,#{},1}"},
             {"{eval, [], '1'}", "{ok,[],1}"});
    session_end(session, 0);
}
END_TEST

/* -- errors ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *request, *kind, *part;
} errors[] = {
    {"{eval, 1, '1/0'}", "exception", "message=>'division by zero',type=>'ZeroDivisionError',traceback=>'Traceback"},
    {"{eval, 1, 'x = 1\n1/0'}", "exception", "line 2, in <module>\n    1/0"},
    {"{exec, 1, 'def f():\n    return 1/0\nf()'}", "exception", "line 2, in f\n    return 1/0"},
    {"{eval, 1, 'undefined_name'}", "exception", "type=>'NameError'"},
    {"{eval, 1, 'import no_such_module'}", "exception", "type=>'ModuleNotFoundError'"},
    {"{eval, 1, 'import sys\nsys.exit(3)'}", "exception", "message=>'3',type=>'SystemExit'"},
    {"{eval, 1, 'raise KeyboardInterrupt'}", "exception", "type=>'KeyboardInterrupt'"},
    {"{eval, 1, 'import decimal\nraise decimal.Inexact'}", "exception", "type=>'decimal.Inexact'"},
    {"{eval, 1, 'class Own(Exception): pass\nraise Own(5)'}", "exception", "message=>'5',type=>'Own'"},
    {"{eval, 1, 'raise ExceptionGroup(str(), [ValueError(1), KeyError(2)])'}", "exception", "KeyError: 2"},
    {"{eval, 1, 'try: 1/0\nexcept Exception as e: raise ValueError from e'}", "exception", "direct cause"},
    {"{eval, 1, 'class Bad(Exception):\n  def __str__(self): 1/0\nraise Bad'}", "exception", "type=>'Bad'"},
    {"{eval, 1, 'raise ValueError(chr(55296))'}", "exception", "message=>'\\ud800'"},
    {"{eval, 1, 'def f(): f()\nf()'}", "exception", "type=>'RecursionError'"},
    {"{eval, 1, '1 +'}", "syntax", "type=>'SyntaxError'"},
    {"{eval, 1, 'if True:\nx'}", "syntax", "IndentationError"},
    {"{exec, 1, 'def'}", "syntax", "type=>'SyntaxError'"},
    {"{eval, 1, 'return 1'}", "syntax", "outside function"},
    {"{eval, 1, 'object()'}", "unencodable", "result: builtins.object has no Erlang term"},
    {"{eval, 1, 5}", "bad_request", "code is a binary"},
    {"{eval, 1, code}", "bad_request", "code is a binary"},
    {"{eval, 1, [49]}", "bad_request", "code is a binary"},
    {"{call, 1, 'nothing', []}", "exception", "NameError"},
    {"{call, 1, 'nothing.at.all', []}", "exception", "ModuleNotFoundError"},
    {"{call, 1, 'math.nothing', []}", "exception", "AttributeError"},
    {"{call, 1, '', []}", "exception", "NameError"},
    {"{call, 1, '.', []}", "exception", "type=>'"},
    {"{call, 1, 'math.', []}", "exception", "type=>'"},
    {"{call, 1, 'math.pi', []}", "exception", "TypeError"},
    {"{call, 1, 5, []}", "exception", "TypeError"},
    {"{call, 1, 'len', [1, 2]}", "exception", "TypeError"},
    {"{call, 1, 'len', {1}}", "bad_request", "args is a list"},
    {"{call, 1, 'len', 'abc'}", "bad_request", "args is a list"},
    {"{call, 1, 'len', [[]], []}", "bad_request", "kwargs is a map"},
    {"{call, 1, 'dict', [], #{1 => 2}}", "bad_request", "kwargs: the keys are names"},
    {"{call, 1, 'dict', [], #{a => 1, 'a' => 2}}", "undecodable", "kwargs[\"a\"]: a map key that is equal"},
    {"{call, 1, 'len', [{$ref, 77}]}", "undecodable", "args[0]: there is no object under reference 77"},
    {"{call, 1, {$ref, 77}, []}", "undecodable", "target: there is no object under reference 77"},
    {"{eval, 1, '1', []}", "bad_request", "options: expected a map"},
    {"{eval, 1, '1', #{color => red}}", "bad_request", "options: unknown option color"},
    {"{eval, 1, '1', #{'file' => 'x'}}", "bad_request", "options: the keys are atoms"},
    {"{eval, 1, '1', #{timeout => soon}}", "bad_request", "options: timeout is a number of milliseconds"},
    {"{eval, 1, '1', #{timeout => -1}}", "bad_request", "options: timeout is a number of milliseconds"},
    {"{eval, 1, '1', #{timeout => 4294967296}}", "bad_request", "options: timeout is a number of milliseconds"},
    {"{eval, 1, '1', #{concurrent => 1}}", "bad_request", "options: concurrent is true or false"},
    {"{eval, 1, '1', #{timing => 1}}", "bad_request", "options: timing is true or false"},
    {"{eval, 1, '1', #{batch => 0}}", "bad_request", "options: batch is a number of items"},
    {"{eval, 1, '1', #{return => copy}}", "bad_request", "options: return is value, ref or rich"},
    {"{eval, 1, '1', #{binaries => text}}", "bad_request", "options: binaries is str or bytes"},
    {"{eval, 1, '1', #{file => x}}", "bad_request", "options: file is a binary"},
    {"{eval, 1, '1', #{line => 0}}", "bad_request", "options: line is an integer from 1 to 1000000"},
    {"{eval, 1, '1', #{line => -1}}", "bad_request", "options: line is an integer"},
    {"{eval, 1, '1', #{line => 1000001}}", "bad_request", "options: line is an integer"},
    {"{eval, 1, '1', #{line => 1.5}}", "bad_request", "options: line is an integer"},
    {"{eval, 1, '1', #{bindings => []}}", "bad_request", "options: bindings is a map"},
    {"{eval, 1, '1', #{bindings => #{1 => 2}}}", "bad_request", "bindings: 1 is no Python name"},
    {"{eval, 1, '1', #{bindings => #{'no name' => 2}}}", "bad_request", "bindings: 'no name' is no Python name"},
    {"{eval, 1, '1', #{bindings => #{'' => 2}}}", "bad_request", "bindings: '' is no Python name"},
    {"{eval, 1, '1', #{bindings => #{x => {$ref, 5}}}}", "undecodable", "bindings[\"x\"]: there is no object"},
};

#define ERRORS (sizeof errors / sizeof *errors)

START_TEST(reports_what_went_wrong)
{
    struct session *session = SESSION();
    for (size_t i = 0; i < ERRORS; i++) {
        session_send(session, errors[i].request);
        session_expect_error(session, "1", errors[i].kind, errors[i].part);
    }
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* Code that breaks what the engine itself uses still gets an answer, if a shorter one. */
START_TEST(answers_when_python_is_taken_apart)
{
    static const char *const breakages[] = {
        "import sys\nsys.modules.clear()",
        "import sys\nsys.setrecursionlimit(20)",
        "globals().clear()",
        "import sys\nsys.stdout = sys.stderr = 5",
        "import traceback\ntraceback.format_exception = None",
        "import linecache\nlinecache.cache = None",
        "import signal\nsignal.signal(signal.SIGURG, signal.SIG_IGN)\nNone",
        "import gc\ngc.set_threshold(1)",
    };
    for (size_t i = 0; i < sizeof breakages / sizeof *breakages; i++) {
        struct session *session = SESSION();
        session_expect_value(session, breakages[i], "nil");
        session_send(session, "{eval, 1, '1/0'}");
        session_expect_error(session, "1", "exception", "");
        session_send(session, "{eval, 1, 'object()'}");
        session_expect_error(session, "1", "unencodable", "has no Erlang term");
        session_expect_alive(session);
        session_close_input(session);
        ck_assert_ptr_null(session_next_reply(session));
        session_wait(session);
        session_free(session);
    }
}
END_TEST

/* What cannot be decoded in bytes that no notation has. */
START_TEST(reports_what_cannot_be_decoded)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, %b}", "\xff", (size_t)1);
    session_expect_error(session, "1", "undecodable", "code: not UTF-8");
    session_send(session, "{call, 1, 'len', [[1, %b]]}", "\xff", (size_t)1);
    session_expect_error(session, "1", "undecodable", "args[0][1]: a binary that is not UTF-8");
    session_send(session, "{call, 1, 'len', [[]], #{a => %b}}", "\xff", (size_t)1);
    session_expect_error(session, "1", "undecodable", "kwargs[\"a\"]: a binary that is not UTF-8");
    session_send(session, "{eval, 1, '1', #{file => %b}}", "\xff", (size_t)1);
    session_expect_error(session, "1", "bad_request", "options: file is not UTF-8");
    session_send(session, "{eval, 1, '1', #{bindings => #{x => [%b]}}}", "\xff", (size_t)1);
    session_expect_error(session, "1", "undecodable", "bindings[\"x\"][0]: a binary that is not UTF-8");
    session_send(session, "{eval, 1, %b}", "1\0", (size_t)2);
    session_expect_error(session, "1", "syntax", "null byte");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* No part of a refused request has run: not even half of its bindings exist. */
START_TEST(runs_nothing_of_a_refused_request)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, 'ran = 1', #{bindings => #{first => 1, 'no name' => 2, last => 3}}}");
    session_expect_error(session, "1", "bad_request", "is no Python name");
    session_expect_value(session, "[name for name in ('first', 'last', 'ran') if name in globals()]", "[]");
    session_send(session, "{eval, 1, 'ran = 1', #{bindings => #{first => 1}, color => red}}");
    session_expect_error(session, "1", "bad_request", "unknown option");
    session_send(session, "{call, 1, 'print', [], #{}, #{bindings => #{first => 1}, color => red}}");
    session_expect_error(session, "1", "bad_request", "unknown option");
    session_expect_value(session, "[name for name in ('first', 'last', 'ran') if name in globals()]", "[]");
    session_end(session, 0);
}
END_TEST

/* -- options ------------------------------------------------------------------------------------------------------ */

START_TEST(assigns_bindings)
{
    struct session *session = SESSION();
    EXCHANGE(session, {"{eval, 1, 'a + b', #{bindings => #{a => 1, 'b' => 2}}}", "{ok,1,3}"},
             {"{eval, 1, 'len(globals().keys() & {*str(\"ab\")})'}", "{ok,1,0}"},
             {"{exec, 1, 'c = text', #{bindings => #{text => 'x'}}}", "{ok,1,nil}"}, {"{eval, 1, 'c'}", "{ok,1,'x'}"},
             {"{call, 1, 'a.bit_length', [], #{}, #{bindings => #{a => 8}}}", "{ok,1,4}"},
             {"{eval, 1, '[type(name) is str for name in globals()].count(False)'}", "{ok,1,0}"},
             {"{eval, 1, 'x', #{bindings => #{x => 'a'}, binaries => bytes}}", "{ok,1,'a'}"},
             {"{eval, 1, 'type(x) is bytes', #{bindings => #{x => 'a'}, binaries => bytes}}", "{ok,1,true}"},
             {"{eval, 1, 'type(x) is bytes', #{binaries => str, bindings => #{x => 'a'}}}", "{ok,1,false}"},
             {"{call, 1, 'repr', ['a'], #{}, #{binaries => bytes}}", "{ok,1,'b'a''}"},
             {"{call, 1, 'dict', [], #{a => 'a'}, #{binaries => bytes}}", "{ok,1,#{'a'=>'a'}}"});
    session_end(session, 0);
}
END_TEST

/* A traceback names the position of the code, and shows its lines even if there is no such file. */
START_TEST(reports_where_the_code_is)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, 'x = 1\nx/0', #{file => 'lib/some.ex', line => 300}}");
    session_expect_error(session, "1", "exception", "File \"lib/some.ex\", line 301, in <module>\n    x/0");
    session_send(session, "{eval, 1, '1 +', #{file => 'lib/some.ex', line => 1000000}}");
    session_expect_error(session, "1", "syntax", "File \"lib/some.ex\", line 1000000");
    session_send(session, "{exec, 1, 'def later():\n    return 1/0', #{file => 'defined.ex'}}");
    session_expect(session, "{ok,1,nil}");
    session_send(session, "{call, 1, 'later', []}");
    session_expect_error(session, "1", "exception", "File \"defined.ex\", line 2, in later\n    return 1/0");
    session_send(session, "{eval, 1, 'import inspect\ninspect.currentframe().f_lineno', #{line => 5}}");
    session_next_reply(session);
    session_end(session, 0);
}
END_TEST

/* -- references --------------------------------------------------------------------------------------------------- */

START_TEST(keeps_objects_by_reference)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, %s, #{return => ref}}",
                 "class Model:\n"
                 "    def __init__(self): self.calls = 0\n"
                 "    def __repr__(self): return 'a model'\n"
                 "    def __call__(self, n):\n"
                 "        self.calls += n\n"
                 "        return self.calls\n"
                 "Model()");
    long long model = session_expect_reference(session, "__main__.Model", "a model");
    session_send(session, "{call, 1, {$ref, %d}, [5]}", model);
    session_expect(session, "{ok,1,5}");
    session_send(session, "{call, 1, #{__struct__ => Elixir.PythonxPort.Object, ref => %d, repr => 'y'}, [2]}", model);
    session_expect(session, "{ok,1,7}");
    session_send(session, "{call, 1, 'getattr', [{$ref, %d}, 'calls']}", model);
    session_expect(session, "{ok,1,7}");
    session_send(session, "{eval, 1, 'model.calls', #{bindings => #{model => {$ref, %d}}}}", model);
    session_expect(session, "{ok,1,7}");
    session_send(session, "{eval, 1, 'rows[0][0].calls', #{bindings => #{rows => [#{0 => {$ref, %d}}]}}}", model);
    session_expect(session, "{ok,1,7}");
    session_send(session, "{call, 1, 'list', [], #{}, #{return => ref}}");
    ck_assert_int_ne(session_expect_reference(session, "list", "[]"), model);
    session_send(session, "{exec, 1, '[]', #{return => ref}}");
    session_expect_reference(session, "NoneType", "None");
    session_send(session, "{eval, 1, '[]', #{return => value}}");
    session_expect(session, "{ok,1,[]}");
    session_end(session, 0);
}
END_TEST

/* A reference is valid in its own session alone. */
START_TEST(keeps_sessions_apart)
{
    struct session *session = SESSION(), *other = SESSION();
    session_send(session, "{eval, 1, '[]', #{return => ref}}");
    long long reference = session_expect_reference(session, "list", "[]");
    session_send(other, "{eval, 1, '[]', #{return => ref}}");
    session_expect_reference(other, "list", "[]");
    session_send(other, "{call, 1, 'len', [{$ref, %d}]}", reference);
    session_expect_error(other, "1", "undecodable", "args[0]: there is no object under reference");
    session_end(session, 0);
    session_end(other, 0);
}
END_TEST

/* Each Thing of the session prints when Python drops it. */
static void make_things(struct session *session, long long *references, int count)
{
    session_send(session, "{exec, 1, 'class Thing:\n    def __del__(self): gone.append(self.name)\ngone = []\n"
                          "def make(name):\n    thing = Thing()\n    thing.name = name\n    return thing\n"
                          "Thing.__repr__ = lambda self: self.name'}");
    session_expect(session, "{ok,1,nil}");
    for (int i = 0; i < count; i++) {
        char name[] = {(char)('a' + i), '\0'};
        session_send(session, "{call, 1, 'make', [%s], #{}, #{return => ref}}", name);
        references[i] = session_expect_reference(session, "__main__.Thing", name);
    }
}

/* In each form that a reference has; unknown numbers are ignored. */
START_TEST(releases_objects)
{
    long long things[4];
    struct session *session = SESSION();
    make_things(session, things, 4);
    session_send(session, "{release, [%d, {$ref, %d}, #{__struct__ => Elixir.PythonxPort.Object, ref => %d}]}",
                 things[0], things[1], things[2]);
    session_expect_value(session, "gone", "['a','b','c']");
    session_send(session, "{release, [%d, 99, -5, 1000000000000000000]}", things[0]);
    session_send_frame(session, "\x83\x68\x02\x77\x07release\x6b\0\2\4\5", 17);
    session_send(session, "{release, []}");
    session_expect_value(session, "gone", "['a','b','c']");
    session_send(session, "{call, 1, {$ref, %d}, []}", things[0]);
    session_expect_error(session, "1", "undecodable", "target: there is no object under reference");
    session_end(session, 0);
}
END_TEST

/* A release with anything else in it releases nothing, and gets an error. */
START_TEST(refuses_releases)
{
    long long thing;
    struct session *session = SESSION();
    make_things(session, &thing, 1);
    session_send(session, "{release, %b}", "\4\5", (size_t)2);
    session_expect_error(session, "nil", "bad_request", "release takes a list of references");
    session_send(session, "{release, [%d, all]}", thing);
    session_expect_error(session, "nil", "bad_request", "release takes a list of references");
    session_send(session, "{release, %d}", thing);
    session_expect_error(session, "nil", "bad_request", "release takes a list of references");
    session_expect_value(session, "gone", "[]");
    session_end(session, 0);
}
END_TEST

/* -- output ------------------------------------------------------------------------------------------------------- */

START_TEST(sends_output_before_the_reply)
{
    struct session *session = SESSION();
    session_send(session, "{eval, {id, 7}, 'import sys\nprint(5)\nprint(6, file=sys.stderr)\nprint(7, end=str())\n8'}");
    session_expect(session, "{output,{id,7},stdout,'5\n'}");
    session_expect(session, "{output,{id,7},stderr,'6\n'}");
    session_expect(session, "{output,{id,7},stdout,'7'}");
    session_expect(session, "{ok,{id,7},8}");
    session_send(session, "{exec, 2, 'print(1)\n1/0'}");
    session_expect(session, "{output,2,stdout,'1\n'}");
    session_expect_error(session, "2", "exception", "division by zero");
    session_send(session, "{call, 3, 'print', ['\xc3\xa4', 1]}");
    session_expect(session, "{output,3,stdout,'\xc3\xa4 1\n'}");
    session_expect(session, "{ok,3,nil}");
    session_send(session, "{eval, 4, 'sys.stdout.buffer.write(bytes([65, 10]))'}");
    session_expect(session, "{output,4,stdout,'A\n'}");
    session_expect(session, "{ok,4,2}");
    session_send(session, "{eval, 5, 'print(chr(55296))'}");
    session_expect(session, "{output,5,stdout,'\\ud800\n'}");
    session_expect(session, "{ok,5,nil}");
    session_end(session, 0);
}
END_TEST

/* Output that is printed while the result is converted belongs to its request, too. */
START_TEST(sends_output_of_the_result)
{
    struct session *session = SESSION();
    session_expect_value(session,
                         "import erlang\n"
                         "class Chatty:\n"
                         "    def __repr__(self):\n"
                         "        print('shown', end='')\n"
                         "        return 'chatty'\n"
                         "def encode(chatty):\n"
                         "    print('encoded', end='')\n"
                         "    return 5\n"
                         "erlang.register_encoder(Chatty, encode)",
                         "nil");
    session_send(session, "{eval, 2, 'Chatty()'}");
    session_expect(session, "{output,2,stdout,'encoded'}");
    session_expect(session, "{ok,2,5}");
    session_send(session, "{eval, 1, 'Chatty()', #{return => ref}}");
    session_expect(session, "{output,1,stdout,'shown'}");
    session_expect_reference(session, "__main__.Chatty", "chatty");
    session_end(session, 0);
}
END_TEST

/* A thread may print when no request runs. */
START_TEST(sends_output_of_threads)
{
    struct session *session = SESSION();
    session_send(session, "{exec, 1, %s}",
                 "import threading\n"
                 "go = threading.Event()\n"
                 "def late():\n"
                 "    go.wait()\n"
                 "    import time\n"
                 "    time.sleep(0.1)\n"
                 "    print('late')\n"
                 "threading.Thread(target=late).start()\n"
                 "go.set()");
    session_expect(session, "{ok,1,nil}");
    session_expect(session, "{output,nil,stdout,'late\n'}");
    session_end(session, 0);
}
END_TEST

START_TEST(survives_closed_output)
{
    struct session *session = SESSION();
    session_expect_value(session, "import sys\nsys.stdout.close()\n1", "1");
    session_send(session, "{eval, 1, 'print(1)'}");
    session_expect_error(session, "1", "exception", "ValueError");
    session_expect_value(session, "sys.stdout = None\nprint(1)\n2", "2");
    session_end(session, 0);
}
END_TEST

/* -- the stream is the protocol's alone --------------------------------------------------------------------------- */

static const char *const intrusions[] = {
    "import os\nos.write(1, b'intruder')",
    "import subprocess\nsubprocess.run(['echo', 'intruder'])",
    "import os\nos.system('echo intruder')",
    "import subprocess, sys\nsubprocess.run(['echo', 'intruder'], stdout=sys.stdout, stderr=sys.stderr)",
    "import ctypes\nctypes.CDLL(None).puts(b'intruder')\nctypes.CDLL(None).fflush(None)",
    "with open('/dev/stdout', 'a') as out:\n    out.write('intruder')",
    "import os\nos.write(2, b'intruder')",
    "import os\nos.dup2(2, 1)\nos.write(1, b'intruder')",
};

START_TEST(keeps_its_output_private)
{
    struct session *session = SESSION();
    for (size_t i = 0; i < sizeof intrusions / sizeof *intrusions; i++) {
        size_t before = strlen(session_errors(session));
        session_send(session, "{exec, 1, %s}", intrusions[i]);
        session_expect(session, "{ok,1,nil}");
        expect_part(session_errors(session) + before, "intruder");
    }
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

START_TEST(keeps_its_input_private)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, 'input()'}");
    session_expect_error(session, "1", "exception", "EOFError");
    session_expect_value(session, "import sys\nsys.stdin.read()", "''");
    session_expect_value(session, "import os\nos.read(0, 100)", "''");
    session_expect_value(session, "import subprocess\nsubprocess.run(['cat'], capture_output=True).stdout", "''");
    session_expect_value(session, "os.close(0)\nos.close(1)", "nil");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* A child that inherits all it can, and outlives the session, does not keep the stream open. */
START_TEST(keeps_its_descriptors_from_children)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, %s}",
                 "import subprocess\nsubprocess.Popen(['sleep', '100'], close_fds=False).pid");
    const char *reply = session_next(session);
    pid_t child = atoi(reply + strlen("{ok,1,"));
    ck_assert_msg(child > 0, "%s", reply);
    session_send(session, "{stop, 2}");
    session_expect(session, "{ok,2,nil}");
    ck_assert_ptr_null(session_next(session));
    ck_assert_int_eq(session_wait(session), 0);
    ck_assert_int_lt(write(session_input(session), "x", 1), 0);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    session_free(session);
}
END_TEST

START_TEST(serves_on_other_descriptors)
{
    struct session *session = SESSION(.other_fds = true);
    session_expect_value(session, "import os\nos.write(1, b'to stdout')\n5", "5");
    expect_part(session_errors(session), "to stdout");
    session_end(session, 0);
}
END_TEST

/* -- info, stop --------------------------------------------------------------------------------------------------- */

START_TEST(reports_its_state)
{
    struct session *session = SESSION(.options = {"--max-frame", "100000"});
    session_send(session, "{info, now}");
    const char *info = session_next(session);
    expect_part(info, "{ok,now,#{running=>nil,running_us=>0,queued=>0,requests=>0,errors=>0,");
    expect_part(info, "max_frame=>100000");
    session_expect_alive(session);
    session_send(session, "{info, now}");
    expect_part(session_next(session), "requests=>1,");
    session_end(session, 0);
}
END_TEST

START_TEST(counts_references)
{
    struct session *session = SESSION();
    session_send(session, "{eval, 1, '[]', #{return => ref}}");
    long long first = session_expect_reference(session, "list", "[]");
    session_send(session, "{eval, 1, '[]', #{return => ref}}");
    long long second = session_expect_reference(session, "list", "[]");
    session_send(session, "{info, now}");
    expect_part(session_next(session), "refs=>2,");
    session_send(session, "{release, [%d, %d]}", first, first + 1000);
    session_expect_alive(session);
    session_send(session, "{info, now}");
    expect_part(session_next(session), "refs=>1,");
    session_send(session, "{release, [%d]}", second);
    session_expect_alive(session);
    session_send(session, "{info, now}");
    expect_part(session_next(session), "refs=>0,");
    session_end(session, 0);
}
END_TEST

/* Also while Python is busy, even if it holds its lock. */
START_TEST(reports_its_state_while_busy)
{
    static const char *const busy[] = {"import time\ntime.sleep(0.3)",
                                       "import ctypes\nctypes.PyDLL(None).usleep(300000)"};
    struct session *session = SESSION();
    for (int i = 0; i < 2; i++) {
        session_send(session, "{exec, {busy, 1}, 'print(1)'}");
        session_expect(session, "{output,{busy,1},stdout,'1\n'}");
        session_expect(session, "{ok,{busy,1},nil}");
        session_send(session, "{exec, {busy, 2}, %s}", busy[i]);
        session_send(session, "{exec, later, ''}");
        session_send(session, "{info, now}");
        const char *info = session_next(session);
        expect_part(info, "{ok,now,#{running=>");
        session_expect(session, "{ok,{busy,2},nil}");
        session_expect(session, "{ok,later,nil}");
    }
    session_end(session, 0);
}
END_TEST

START_TEST(stops)
{
    struct session *session = SESSION();
    session_send(session, "{exec, 1, %s}", "import atexit\natexit.register(print, 'bye')");
    session_expect(session, "{ok,1,nil}");
    session_send(session, "{stop, 2}");
    session_expect(session, "{ok,2,nil}");
    session_expect(session, "{output,nil,stdout,'bye\n'}");
    ck_assert_ptr_null(session_next(session));
    ck_assert_int_eq(session_wait(session), 0);
    session_free(session);
}
END_TEST

START_TEST(refuses_what_comes_after_stop)
{
    struct session *session = SESSION();
    session_send(session, "{exec, 1, 'import time\ntime.sleep(0.2)'}");
    session_send(session, "{exec, 2, ''}");
    session_send(session, "{stop, 3}");
    session_send(session, "{exec, 4, ''}");
    session_send(session, "{release, [1]}");
    session_send(session, "{stop, 5}");
    session_send(session, "{call, 6, 'len', [[]]}");
    session_expect(session, "{ok,1,nil}");
    session_expect(session, "{ok,2,nil}");
    const char *reply;
    bool seen[7] = {false};
    while ((reply = session_next(session)) != NULL) {
        int id = reply[0] == '{' && strncmp(reply, "{ok,3,nil}", 10) == 0 ? 3 : atoi(reply + strlen("{error,"));
        ck_assert(id >= 3 && id <= 6 && !seen[id]);
        seen[id] = true;
        if (id != 3)
            expect_part(reply, "kind=>shutdown,message=>'the session was stopped before this request was run'");
    }
    ck_assert(seen[3] && seen[4] && seen[5] && seen[6]);
    ck_assert_int_eq(session_wait(session), 0);
    session_free(session);
}
END_TEST

/* -- memory ------------------------------------------------------------------------------------------------------- */

/* One of each kind, also those that fail. Code that does not compile is left out: its text is kept for a while. */
static const char *const steady[] = {
    "{eval, 1, 'x = [1, 2]\nx'}",
    "{exec, 1, 'x', #{bindings => #{x => [1, #{a => 'b'}]}, file => 'f', line => 3}}",
    "{call, 1, 'dict', [], #{'a' => {1, 2}}, #{binaries => bytes}}",
    "{release, [1, {$ref, 2}, #{ref => 3}]}",
    "{release, [all]}",
    "{call, 1, 'os.path.join', ['a', 'b']}",
    "{call, 1, 'nothing.at.all', []}",
    "{call, 1, 'len', [5]}",
    "{call, 1, {$ref, 100000000}, []}",
    "{eval, 1, '1/0'}",
    "{eval, 1, 'object()'}",
    "{eval, 1, 'print(1)'}",
    "{eval, 1, '1', #{color => red}}",
    "{eval, 1, '1', #{bindings => #{1 => 2}}}",
    "{eval, 1, '{1, 2.5, Ellipsis}'}",
    "{info, 1}",
    "{evil, 1}",
};

static void send_steady(struct session *session, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < sizeof steady / sizeof *steady; i++)
            session_send(session, steady[i]);
        session_send(session, "{call, done, 'dict', [], #{a => 1}, #{return => ref}}");
        const char *reply;
        while (strncmp(reply = session_next(session), "{ok,done", 8) != 0)
            ;
        session_send(session, "{release, [%d]}", atoll(strstr(reply, "ref=>") + strlen("ref=>")));
    }
}

static long blocks_of(struct session *session)
{
    session_send(session, "{eval, 1, 'import gc, sys\ngc.collect()\nsys.getallocatedblocks()'}");
    const char *reply = session_next(session);
    ck_assert_msg(strncmp(reply, "{ok,1,", 6) == 0, "%s", reply);
    return atol(reply + 6);
}

START_TEST(keeps_no_memory)
{
    enum { ROUNDS = 600 };
    struct session *session = SESSION();
    send_steady(session, 2 * ROUNDS); /* until the caches are full */
    long before = blocks_of(session);
    send_steady(session, ROUNDS);
    long between = blocks_of(session);
    send_steady(session, ROUNDS);
    long after = blocks_of(session);
    /* What leaks does so at least once in each round; Python's own tables grow at times, but not all the time. */
    ck_assert_msg(between - before < ROUNDS || after - between < ROUNDS, "%ld, then %ld blocks more, in %d rounds each",
                  between - before, after - between, ROUNDS);
    session_end(session, 0);
}
END_TEST

/* -- the interpreter ---------------------------------------------------------------------------------------------- */

/* A venv's interpreter gives the venv's packages. */
START_TEST(runs_in_a_venv)
{
    char command[8192], code[4096];
    snprintf(command, sizeof command, "'%s' -m venv --without-pip '%s'", pythons_path(_i), folder_path("venv"));
    ck_assert_int_eq(system(command), 0);
    snprintf(command, sizeof command,
             "for packages in '%s'/lib/python3*/site-packages; do echo 'WHERE = 5' > $packages/only_here.py; done",
             folder_path("venv"));
    ck_assert_int_eq(system(command), 0);
    struct session *session = SESSION(.path = folder_path("venv/bin/python"));
    session_expect_value(session, "import only_here\nonly_here.WHERE", "5");
    snprintf(code, sizeof code, "import sys\nsys.prefix == '%s' != sys.base_prefix", folder_path("venv"));
    session_expect_value(session, code, "true");
    session_expect_value(
        session, "import subprocess\nsubprocess.run([sys.executable, '-c', 'import only_here']).returncode", "0");
    session_end(session, 0);
}
END_TEST

START_TEST(prefers_utf8)
{
    struct session *session = SESSION(.environment = {"LC_ALL=C", "LANG=", "PYTHONUTF8="});
    session_expect_value(session, "import sys\n(sys.getfilesystemencoding(), open('/dev/null').encoding.lower())",
                         "{'utf-8','utf-8'}");
    session_end(session, 0);
}
END_TEST

/* Modules of the current folder and of PYTHONPATH, as for the interpreter itself. */
START_TEST(imports_from_pythonpath)
{
    char variable[4096];
    folder_write("my_own.py", "NAME = __name__\n");
    snprintf(variable, sizeof variable, "PYTHONPATH=%s", folder_path(""));
    struct session *session = SESSION(.environment = {variable});
    session_expect_value(session, "import my_own\nmy_own.NAME", "'my_own'");
    session_send(session, "{call, 1, 'my_own.NAME.upper', []}");
    session_expect(session, "{ok,1,'MY_OWN'}");
    session_end(session, 0);
}
END_TEST

START_TEST(makes_mapsets_of_a_version)
{
    struct session *session = SESSION(.options = {"--mapset-version", "2"});
    session_expect_value(session, "{5}", "#{__struct__=>Elixir.MapSet,map=>#{5=>[]},version=>2}");
    session_end(session, 0);
}
END_TEST

START_TEST(uses_threads_and_processes)
{
    struct session *session = SESSION();
    session_expect_value(session,
                         "from concurrent.futures import ThreadPoolExecutor\n"
                         "with ThreadPoolExecutor(4) as pool:\n"
                         "    total = sum(pool.map(lambda n: n * n, range(100)))\n"
                         "total",
                         "328350");
    session_expect_value(session,
                         "import asyncio\nasync def five():\n    await asyncio.sleep(0)\n    return 5\n"
                         "asyncio.run(five())",
                         "5");
    session_end(session, 0);
}
END_TEST

Suite *session_suite(void)
{
    Suite *suite = suite_create("session");
    TCase *tcase = tcase_create("requests");
    int pythons = pythons_count();
    tcase_add_loop_test(tcase, says_that_it_is_ready, 0, pythons);
    tcase_add_loop_test(tcase, evaluates, 0, pythons);
    tcase_add_loop_test(tcase, executes_and_calls, 0, pythons);
    tcase_add_loop_test(tcase, answers_under_any_id, 0, pythons);
    tcase_add_loop_test(tcase, reports_what_went_wrong, 0, pythons);
    tcase_add_loop_test(tcase, answers_when_python_is_taken_apart, 0, pythons);
    tcase_add_loop_test(tcase, reports_what_cannot_be_decoded, 0, pythons);
    tcase_add_loop_test(tcase, runs_nothing_of_a_refused_request, 0, pythons);
    tcase_add_loop_test(tcase, assigns_bindings, 0, pythons);
    tcase_add_loop_test(tcase, reports_where_the_code_is, 0, pythons);
    tcase_add_loop_test(tcase, keeps_objects_by_reference, 0, pythons);
    tcase_add_loop_test(tcase, keeps_sessions_apart, 0, pythons);
    tcase_add_loop_test(tcase, releases_objects, 0, pythons);
    tcase_add_loop_test(tcase, refuses_releases, 0, pythons);
    tcase_add_loop_test(tcase, sends_output_before_the_reply, 0, pythons);
    tcase_add_loop_test(tcase, sends_output_of_the_result, 0, pythons);
    tcase_add_loop_test(tcase, sends_output_of_threads, 0, pythons);
    tcase_add_loop_test(tcase, survives_closed_output, 0, pythons);
    tcase_add_loop_test(tcase, keeps_its_output_private, 0, pythons);
    tcase_add_loop_test(tcase, keeps_its_input_private, 0, pythons);
    tcase_add_loop_test(tcase, keeps_its_descriptors_from_children, 0, pythons);
    tcase_add_loop_test(tcase, serves_on_other_descriptors, 0, pythons);
    tcase_add_loop_test(tcase, reports_its_state, 0, pythons);
    tcase_add_loop_test(tcase, counts_references, 0, pythons);
    tcase_add_loop_test(tcase, reports_its_state_while_busy, 0, pythons);
    tcase_add_loop_test(tcase, stops, 0, pythons);
    tcase_add_loop_test(tcase, refuses_what_comes_after_stop, 0, pythons);
    tcase_add_loop_test(tcase, keeps_no_memory, 0, pythons);
    tcase_add_loop_test(tcase, makes_mapsets_of_a_version, 0, pythons);
    tcase_add_loop_test(tcase, uses_threads_and_processes, 0, pythons);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    TCase *places = tcase_create("places");
    tcase_add_checked_fixture(places, folder_make, folder_remove);
    tcase_add_loop_test(places, runs_in_a_venv, 0, pythons);
    tcase_add_loop_test(places, prefers_utf8, 0, pythons);
    tcase_add_loop_test(places, imports_from_pythonpath, 0, pythons);
    tcase_set_timeout(places, 20);
    suite_add_tcase(suite, places);
    return suite;
}
