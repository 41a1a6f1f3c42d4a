/* Tests what newer versions of Python brought, each from its version on: sub-interpreters, debuggers that attach,
 * start methods of multiprocessing, UTF-8 by default, syntax and types. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "folder.h"
#include "pythons.h"
#include "session_driver.h"
#include "suites.h"

/* Returns the X of the session's Python 3.X. */
static int minor_of(const struct session *session)
{
    const char *version = strstr(session_ready(session), "python=>'3.");
    ck_assert_ptr_nonnull(version);
    return atoi(version + strlen("python=>'3."));
}

/* Returns NULL if the interpreter is older than 3.`minor`. */
static struct session *start_from(int _i, int minor)
{
    struct session *session = SESSION();
    if (minor_of(session) >= minor)
        return session;
    session_end(session, 0);
    return NULL;
}

static void expect_done(struct session *session, const char *code)
{
    session_send(session, "{exec, 0, %s}", code);
    session_expect(session, "{ok,0,nil}");
}

/* -- sub-interpreters --------------------------------------------------------------------------------------------- */

#define REFUSAL "erlang exists in the session's main interpreter alone"

START_TEST(runs_tasks_in_interpreters)
{
    struct session *session = start_from(_i, 14);
    if (session == NULL)
        return;
    expect_done(session, "from concurrent.futures import InterpreterPoolExecutor\n"
                         "from concurrent import interpreters\nimport math, operator\n"
                         "def double(x): return 2 * x");
    session_expect_value(session,
                         "with InterpreterPoolExecutor(2) as pool: r = [*pool.map(math.factorial, [3, 4, 5])]\nr",
                         "[6,24,120]");
    session_expect_value(session, "with InterpreterPoolExecutor(1) as pool: r = pool.submit(pow, 2, 10).result()\nr",
                         "1024");
    session_send(session, "{eval, 2, %s}",
                 "with InterpreterPoolExecutor(1) as pool: pool.submit(operator.truediv, 1, 0).result()");
    session_expect_error(session, "2", "exception", "division by zero");
    expect_done(session, "other = interpreters.create()\nother.prepare_main(given=5)\nother.exec('given += 1')");
    session_expect_value(session, "other.call(double, 21)", "42");
    /* Its output is that of a child, not the request's. */
    session_expect_value(session, "other.exec('print(given, flush=True)')", "nil");
    ck_assert_ptr_nonnull(strstr(session_errors(session), "6\n"));
    session_send(session, "{eval, 3, %s}", "other.exec('import erlang')");
    session_expect_error(session, "3", "exception", "ImportError: " REFUSAL);
    expect_done(session, "other.close()");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* One that shares the GIL would get a module that knows the main interpreter's objects. */
START_TEST(refuses_erlang_in_any_interpreter)
{
    struct session *session = SESSION();
    bool old = minor_of(session) < 13;
    expect_done(session, old ? "import _xxsubinterpreters as interpreters" : "import _interpreters as interpreters");
    expect_done(session, old ? "made = [interpreters.create(isolated=isolated) for isolated in (True, False)]"
                             : "made = [interpreters.create(config) for config in ('isolated', 'legacy')]");
    expect_done(session, old ? "def run(*arguments):\n    try: interpreters.run_string(*arguments)\n"
                               "    except interpreters.RunFailedError as error: return str(error)\n"
                             : "def run(*arguments):\n    failure = interpreters.exec(*arguments)\n"
                               "    return failure and failure.formatted");
    for (int i = 0; i < 2; i++) {
        char *code;
        ck_assert_int_ge(asprintf(&code, "'ImportError' in (text := run(made[%d], 'import erlang')) and '%s' in text",
                                  i, "main interpreter alone"),
                         0);
        session_expect_value(session, code, "true");
        free(code);
    }
    session_expect_value(session, "[run(one, 'import _pythonx') is not None for one in made]", "[true,true]");
    expect_done(session, "for one in made: interpreters.destroy(one)");
    /* The main interpreter gets the module that it had. */
    session_expect_value(session, "import erlang, sys; old = sys.modules.pop('erlang'); import erlang; erlang is old",
                         "true");
    session_end(session, 0);
}
END_TEST

/* -- debuggers ---------------------------------------------------------------------------------------------------- */

/* Returns what the last run printed; valid until the next call. */
static const char *read_out(void)
{
    static char text[20000];
    FILE *file = fopen(folder_path("out"), "r");
    size_t length = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    if (file != NULL)
        fclose(file);
    return text;
}

static void expect_out(const char *part)
{
    ck_assert_msg(strstr(read_out(), part) != NULL, "no %s in %s", part, read_out());
}

/* Runs Python beside the session. Returns false if the system does not let it read the memory of another process. */
static bool run_python(int _i, const struct session *session, const char *arguments)
{
    char *command;
    ck_assert_int_ge(asprintf(&command,
                              "export PYTHON=%s PID=%d; cd '%s' && timeout 60 $PYTHON %s >out 2>&1; status=$?;"
                              " grep -q PermissionError out && exit 77; exit $status",
                              pythons_path(_i), (int)session_pid(session), folder_path(""), arguments),
                     0);
    int status = system(command);
    free(command);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        return false;
    ck_assert_msg(WEXITSTATUS(status) == 0, "%s: %d\n%s", arguments, WEXITSTATUS(status), read_out());
    return true;
}

static bool attach(int _i, const struct session *session)
{
    folder_write("script.py", "import __main__, sys\n__main__.done = True\n"
                              "print('attached', sys._getframe(1).f_code.co_name)\n");
    return run_python(_i, session, "-c \"import sys; sys.remote_exec($PID, '$PWD/script.py')\"");
}

/* Begins code, in whatever way the main thread waits then, and expects what the script prints in it. */
static const struct {
    const char *code, *begun, *printed, *then, *ended;
} whiles[] = {
    {"pass", "{ok,1,nil}", "{output,nil,stdout,'attached rest\n'}", NULL, NULL},
    {"def busy():\n    print('begun')\n    while not done: pass\nbusy()", "{output,1,stdout,'begun\n'}",
     "{output,1,stdout,'attached busy\n'}", NULL, "{ok,1,nil}"},
    {"def calls(): return erlang.call('m', 'f')\ncalls()", "{invoke,{1,1},{'m','f'},[]}",
     "{output,1,stdout,'attached calls\n'}", "{reply, {1, 1}, {ok, 5}}", "{ok,1,5}"},
};

START_TEST(lets_debuggers_attach)
{
    struct session *session = start_from(_i, 14);
    if (session == NULL)
        return;
    for (size_t i = 0; i < sizeof whiles / sizeof *whiles; i++) {
        expect_done(session, "import erlang; done = False");
        session_send(session, "{eval, 1, %s}", whiles[i].code);
        session_expect(session, "%s", whiles[i].begun);
        if (!attach(_i, session))
            break;
        session_expect(session, "%s", whiles[i].printed);
        if (whiles[i].then != NULL)
            session_send(session, whiles[i].then);
        if (whiles[i].ended != NULL)
            session_expect(session, "%s", whiles[i].ended);
    }
    session_close_input(session);
    (void)session_wait(session);
    session_free(session);
}
END_TEST

START_TEST(lets_debuggers_attach_to_the_event_loop)
{
    struct session *session = start_from(_i, 14);
    if (session == NULL)
        return;
    session_send(session, "{eval, 1, %s, #{concurrent => true}}",
                 "import asyncio\nprint('begun')\nawait asyncio.sleep(3600)");
    session_expect(session, "{output,1,stdout,'begun\n'}");
    if (attach(_i, session)) {
        const char *printed = session_next(session);
        ck_assert_msg(printed != NULL && strstr(printed, "'attached ") != NULL, "%s", printed);
    }
    session_send(session, "{cancel, 1}");
    session_expect_error(session, "1", "cancelled", "cancelled");
    session_end(session, 0);
}
END_TEST

START_TEST(lets_pdb_attach)
{
    struct session *session = start_from(_i, 14);
    if (session == NULL)
        return;
    expect_done(session, "done = False");
    folder_write("idle", "p 6 * 7\nq\n");
    folder_write("busy", "w\n!globals()['done'] = True\nq\n");
    if (run_python(_i, session, "-m pdb -p $PID <idle")) {
        expect_out("(Pdb) 42");
        session_send(session, "{eval, 1, %s}", "def busy():\n    print('begun')\n    while not done: pass\nbusy()");
        session_expect(session, "{output,1,stdout,'begun\n'}");
        ck_assert(run_python(_i, session, "-m pdb -p $PID <busy"));
        expect_out("busy()");
        session_expect(session, "{ok,1,nil}");
    }
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

START_TEST(shows_its_tasks)
{
    struct session *session = start_from(_i, 14);
    if (session == NULL)
        return;
    session_send(session, "{eval, 1, %s, #{concurrent => true}}",
                 "import asyncio\nasync def naps():\n    print('begun')\n    await asyncio.sleep(3600)\nawait naps()");
    session_expect(session, "{output,1,stdout,'begun\n'}");
    if (run_python(_i, session, "-m asyncio ps $PID"))
        expect_out("naps");
    session_send(session, "{cancel, 1}");
    session_expect_error(session, "1", "cancelled", "cancelled");
    session_end(session, 0);
}
END_TEST

/* Py_RunMain does it for python3; a child that is forked in an interpreter without would have no main thread. */
START_TEST(can_be_told_not_to)
{
    struct session *session = SESSION(.environment = {"PYTHON_DISABLE_REMOTE_DEBUG=1"});
    if (minor_of(session) >= 14)
        session_expect_value(session, "import sys; sys.is_remote_debug_enabled()", "false");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* -- multiprocessing ---------------------------------------------------------------------------------------------- */

static const char *const methods[] = {"fork", "spawn", "forkserver"};
#define METHODS (int)(sizeof methods / sizeof *methods)

/* What takes a function of the session, and what it gives in a forked process. */
static const struct {
    const char *code, *value;
} tasks[] = {
    {"with context.Pool(1) as pool: r = pool.map(own, [1, 2])\nr", "[2,3]"},
    {"with context.Pool(1) as pool: r = pool.apply(str, [Own])\nr", "'<class '__main__.Own'>'"},
    {"with context.Pool(1, own, [1]) as pool: r = pool.apply(pow, [2, 3])\nr", "8"},
    {"with ProcessPoolExecutor(1, context) as pool: r = [*pool.map(own, [1, 2])]\nr", "[2,3]"},
    {"with ProcessPoolExecutor(1, context) as pool: r = pool.submit(str, [Own]).result()\nr",
     "'[<class '__main__.Own'>]'"},
    {"p = context.Process(target=own, args=[1]); p.start(); p.join(); p.exitcode", "0"},
};
#define TASKS (sizeof tasks / sizeof *tasks)

static struct session *start_processes(int python, const char *method)
{
    struct session *session = session_start(&(struct session_setup){.python = python});
    char *code;
    ck_assert_int_ge(asprintf(&code,
                              "import math, multiprocessing, warnings; warnings.simplefilter('ignore')\n"
                              "from concurrent.futures import ProcessPoolExecutor\n"
                              "context = multiprocessing.get_context('%s')\n"
                              "def own(x): return x + 1\n"
                              "class Own: pass",
                              method),
                     0);
    expect_done(session, code);
    free(code);
    return session;
}

/* A process that is not forked has none of the session's names. */
START_TEST(refuses_own_functions_for_other_processes)
{
    const char *method = methods[_i % METHODS];
    struct session *session = start_processes(_i / METHODS, method);
    for (size_t i = 0; i < TASKS; i++) {
        if (strcmp(method, "fork") == 0) {
            session_expect_value(session, tasks[i].code, tasks[i].value);
            continue;
        }
        session_send(session, "{eval, 2, %s}", tasks[i].code);
        session_expect_error(session, "2", "exception",
                             "wn exists in this session alone, so a process that is started by spawn or forkserver "
                             "cannot import it: put it into a module, or use multiprocessing.get_context('fork')");
    }
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

START_TEST(runs_functions_of_modules_in_other_processes)
{
    struct session *session = start_processes(_i / METHODS, methods[_i % METHODS]);
    session_expect_value(session, "with context.Pool(2) as pool: r = pool.map(math.factorial, [3, 4, 5])\nr",
                         "[6,24,120]");
    session_expect_value(session,
                         "with ProcessPoolExecutor(2, context) as pool: r = [*pool.map(math.factorial, [3, 4, 5])]\nr",
                         "[6,24,120]");
    session_send(session, "{eval, 2, %s}",
                 "with ProcessPoolExecutor(1, context) as pool: pool.submit(math.factorial, -1).result()");
    session_expect_error(session, "2", "exception", "negative");
    session_expect_value(session, "p = context.Process(target=pow, args=[2, 3]); p.start(); p.join(); p.exitcode", "0");
    session_expect_value(session,
                         "with context.Manager() as manager:\n    q = manager.Queue(); q.put(5); r = q.get()\nr", "5");
    session_expect_value(session, "with ProcessPoolExecutor() as pool: r = pool.submit(pow, 2, 10).result()\nr",
                         "1024");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* multiprocessing runs the file of the main module in the new process, so its names exist there. */
START_TEST(leaves_code_of_a_file_alone)
{
    folder_write("code.py", "def own(x): return x + 1\n");
    struct session *session = start_processes(_i, "spawn");
    char *code;
    ck_assert_int_ge(asprintf(&code, "__file__ = '%s'; exec(open(__file__).read())", folder_path("code.py")), 0);
    expect_done(session, code);
    free(code);
    session_expect_value(session, "with context.Pool(1) as pool: r = pool.map(own, [1, 2])\nr", "[2,3]");
    session_end(session, 0);
}
END_TEST

/* -- UTF-8 -------------------------------------------------------------------------------------------------------- */

START_TEST(obeys_the_wish_for_utf8)
{
    static const char *const wishes[] = {"PYTHONUTF8=0", "PYTHONUTF8=1"};
    static const char *const locales[] = {"LC_ALL=C", "LC_ALL=C.UTF-8"};
    for (int wish = 0; wish < 2; wish++) {
        for (int locale = 0; locale < 2; locale++) {
            struct session *session = SESSION(.environment = {wishes[wish], locales[locale]});
            session_expect_value(session, "import sys; sys.flags.utf8_mode", wish ? "1" : "0");
            session_expect_value(session, "sys.getfilesystemencoding()", wish || locale ? "'utf-8'" : "'ascii'");
            session_expect_value(session, "print('\xC3\xA9'); '\xC3\xA9'.encode()", "'\xC3\xA9'");
            session_end(session, 0);
        }
    }
    struct session *session = SESSION(.environment = {"PYTHONUTF8=", "LC_ALL=C"});
    session_expect_value(session, "import sys; sys.flags.utf8_mode", "1");
    session_end(session, 0);
}
END_TEST

/* -- syntax and types --------------------------------------------------------------------------------------------- */

static const struct {
    int minor;
    const char *code, *value;
} news[] = {
    {14, "name = 3; t = t'a{name}b'; [t.strings, [i.value for i in t.interpolations]]", "[{'a','b'},[3]]"},
    {14, "class A:\n    later: Later = 1\nclass Later: pass\nA.__annotations__['later'].__name__", "'Later'"},
    {14, "def f(x: Nowhere): pass\nfrom annotationlib import *\nget_annotations(f, format=Format.STRING)",
     "#{'x'=>'Nowhere'}"},
    {14, "if 1: y: int = 2\nimport __main__; [*__main__.__annotations__]", "['y']"},
    {14, "undecided: Nowhere\n5", "5"},
    {14, "try: 1 / 0\nexcept ZeroDivisionError, ValueError: r = 7\nr", "7"},
    {15,
     "lazy import colorsys\nimport sys; [begun := 'colorsys' in sys.modules, colorsys.rgb_to_hsv(1, 1, 1), "
     "'colorsys' in sys.modules]",
     "[false,{0.0,0.0,1},true]"},
    {15, "lazy from csv import QUOTE_ALL\nawait __import__('asyncio').sleep(0)\nQUOTE_ALL", "1"},
    {15, "lazy import threading\nr = []\nt = threading.Thread(target=r.append, args=[3]); t.start(); t.join(); r",
     "[3]"},
    {15, "frozendict(a=1, b=[frozendict()])", "#{'a'=>1,'b'=>[#{}]}"},
    {15, "{frozendict(x=1): 2}", "#{#{'x'=>1}=>2}"},
    {15, "class Frozen(frozendict): pass\nFrozen({1: None})", "#{1=>nil}"},
};
#define NEWS (sizeof news / sizeof *news)

START_TEST(runs_new_syntax)
{
    struct session *session = SESSION();
    int minor = minor_of(session);
    for (size_t i = 0; i < NEWS; i++)
        if (news[i].minor <= minor)
            session_expect_value(session, news[i].code, news[i].value);
    session_end(session, 0);
}
END_TEST

START_TEST(says_what_has_no_term)
{
    struct session *session = start_from(_i, 15);
    if (session == NULL)
        return;
    session_send(session, "{eval, 1, %s}", "MISSING = sentinel('MISSING'); [MISSING]");
    session_expect_error(session, "1", "unencodable", "result[0]: builtins.sentinel has no Erlang term");
    session_send(session, "{eval, 1, %s}", "frozendict(a=[object()])");
    session_expect_error(session, "1", "unencodable", "result[\"a\"][0]: builtins.object has no Erlang term");
    session_send(session, "{eval, 1, %s}", "frozendict({'a': 1, b'a': 2})");
    session_expect_error(session, "1", "unencodable", "two keys that are the same Erlang term");
    session_send(session, "{eval, 1, %s}", "t'{1}'");
    session_expect_error(session, "1", "unencodable", "string.templatelib.Template has no Erlang term");
    expect_done(session, "import erlang; erlang.register_encoder(sentinel, repr)");
    session_expect_value(session, "MISSING", "'MISSING'");
    session_end(session, 0);
}
END_TEST

Suite *session_versions_suite(void)
{
    int pythons = pythons_count();
    Suite *suite = suite_create("session_versions");
    TCase *tcase = tcase_create("versions");
    tcase_add_checked_fixture(tcase, folder_make, folder_remove);
    tcase_add_loop_test(tcase, runs_tasks_in_interpreters, 0, pythons);
    tcase_add_loop_test(tcase, refuses_erlang_in_any_interpreter, 0, pythons);
    tcase_add_loop_test(tcase, lets_debuggers_attach, 0, pythons);
    tcase_add_loop_test(tcase, lets_debuggers_attach_to_the_event_loop, 0, pythons);
    tcase_add_loop_test(tcase, lets_pdb_attach, 0, pythons);
    tcase_add_loop_test(tcase, shows_its_tasks, 0, pythons);
    tcase_add_loop_test(tcase, can_be_told_not_to, 0, pythons);
    tcase_add_loop_test(tcase, refuses_own_functions_for_other_processes, 0, pythons * METHODS);
    tcase_add_loop_test(tcase, runs_functions_of_modules_in_other_processes, 0, pythons * METHODS);
    tcase_add_loop_test(tcase, leaves_code_of_a_file_alone, 0, pythons);
    tcase_add_loop_test(tcase, obeys_the_wish_for_utf8, 0, pythons);
    tcase_add_loop_test(tcase, runs_new_syntax, 0, pythons);
    tcase_add_loop_test(tcase, says_what_has_no_term, 0, pythons);
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    return suite;
}
