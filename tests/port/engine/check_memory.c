/* Tests that memory is released: types that were encoded, texts that were compiled, threads that have ended. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/encode.h"
#include "exec/compile.h"
#include "python_fixture.h"
#include "pythons.h"
#include "session_driver.h"
#include "suites.h"
#include "wire/message.h"

static long long number_of(const char *code)
{
    PyObject *value = python_eval(code);
    long long number = PyLong_AsLongLong(value);
    Py_DECREF(value);
    return number;
}

/* -- types -------------------------------------------------------------------------------------------------------- */

static const char type_makers[] = "import gc, weakref\n"
                                  "gone = []\n"
                                  "def watch(value):\n"
                                  "    gone.append(weakref.ref(type(value)))\n"
                                  "    return value\n"
                                  "def data():\n"
                                  "    @dataclass\n"
                                  "    class P: x: int\n"
                                  "    return P(1)\n"
                                  "def choice():\n"
                                  "    return enum.Enum('Choice', 'A B').A\n"
                                  "def path():\n"
                                  "    class Base: pass\n"
                                  "    class Path(Base):\n"
                                  "        def __fspath__(self): return repr(super())[:4]\n"
                                  "    return Path()\n"
                                  "def items():\n"
                                  "    class Items(list): pass\n"
                                  "    return Items([1])\n"
                                  "def unhashable():\n"
                                  "    class Meta(type):\n"
                                  "        def __eq__(self, other): return self is other\n"
                                  "    class Dict(dict, metaclass=Meta): pass\n"
                                  "    return Dict()\n"
                                  "def closed_over():\n"
                                  "    class C: pass\n"
                                  "    erlang.register_encoder(C, lambda value: C.__name__)\n"
                                  "    return C()\n"
                                  "def own_method():\n"
                                  "    class C:\n"
                                  "        def encode(self): return __class__.__name__\n"
                                  "    erlang.register_encoder(C, C.encode)\n"
                                  "    return C()\n"
                                  "def class_method():\n"
                                  "    class C:\n"
                                  "        @classmethod\n"
                                  "        def encode(cls, value): return cls.__name__\n"
                                  "    erlang.register_encoder(C, C.encode)\n"
                                  "    return C()\n"
                                  "def subclass():\n"
                                  "    class D(type(closed_over())): pass\n"
                                  "    return D()\n"
                                  "def of_c_code():\n"
                                  "    class Queue(collections.deque): pass\n"
                                  "    return Queue()\n"
                                  "erlang.register_encoder(collections.deque, list)\n";

static void encode_value(const char *code)
{
    struct message message = {0};
    PyObject *value = python_eval(code);
    message_begin(&message);
    if (encode_object(&message, value, "result") < 0)
        ck_abort_msg("%s: %s", code, python_take_error());
    message_free(&message);
    Py_DECREF(value);
}

static const char *const makers[] = {"data",        "choice",     "path",         "items",    "unhashable",
                                     "closed_over", "own_method", "class_method", "subclass", "of_c_code"};

START_TEST(frees_types_that_were_encoded)
{
    char code[64];
    python_exec(type_makers);
    snprintf(code, sizeof code, "watch(%s())", makers[_i]);
    for (int i = 0; i < 20; i++)
        encode_value(code);
    ck_assert_int_eq(number_of("len(gone)"), 20);
    ck_assert_msg(number_of("gc.collect()\nsum(type() is not None for type in gone)") == 0, "of %s", makers[_i]);
}
END_TEST

/* Both are the same term. */
static void expect_same_term(const char *given, const char *plain)
{
    struct message messages[2] = {{0}};
    const char *codes[] = {given, plain};
    for (int i = 0; i < 2; i++) {
        PyObject *value = python_eval(codes[i]);
        message_begin(&messages[i]);
        if (encode_object(&messages[i], value, "result") < 0)
            ck_abort_msg("%s: %s", codes[i], python_take_error());
        Py_DECREF(value);
    }
    ck_assert_msg(messages[0].length == messages[1].length &&
                      memcmp(messages[0].bytes, messages[1].bytes, messages[0].length) == 0,
                  "%s is not sent as %s", given, plain);
    message_free(&messages[0]);
    message_free(&messages[1]);
}

/* The result for a type must not be used for another type at the same address. */
START_TEST(distinguishes_types_at_the_same_address)
{
    static const char *const pairs[][2] = {{"data()", "{'x': 1}"}, {"path()", "'<sup'"}, {"items()", "[1]"}};
    python_exec(type_makers);
    for (int i = 0; i < 300; i++)
        expect_same_term(pairs[i % 3][0], pairs[i % 3][1]);
}
END_TEST

/* An encoder that is inherited, and one that is registered later. */
START_TEST(finds_encoders_of_types_of_c_code_and_of_others)
{
    python_exec(type_makers);
    python_exec("class Queue(collections.deque): pass\n"
                "class Last(Queue): pass\n");
    expect_same_term("Last([1])", "[1]");
    python_exec("erlang.register_encoder(Queue, lambda queue: 'queue')");
    expect_same_term("Last([1])", "'queue'");
    python_exec("erlang.register_encoder(Queue, len)");
    expect_same_term("Last([1])", "1");
    python_exec("erlang.register_encoder(Last, str)\nerlang.register_encoder(collections.deque, len)");
    expect_same_term("[Last([2]), collections.deque([1, 2])]", "['Last([2])', 2]");
}
END_TEST

/* -- texts -------------------------------------------------------------------------------------------------------- */

#define MIB (1024 * 1024)

static PyObject *compile_in(const char *file, long line, const char *format, int number)
{
    struct source_place place = {.file = file == NULL ? NULL : PyUnicode_FromString(file), .line = line};
    PyObject *form = python_eval(format);
    PyObject *text = PyUnicode_FromFormat("%U\nn = %d\nn", form, number);
    PyObject *block = compile_code(text, &place, 1, NULL);
    if (block == NULL)
        ck_abort_msg("%s", python_take_error());
    Py_DECREF(text);
    Py_DECREF(form);
    Py_XDECREF(place.file);
    return block;
}

static const struct {
    const char *text;
    int count;
} kept_texts[] = {
    {"'x = \\'' + 'a' * 1_000_000 + '\\''", 100},
    {"'# \\u0416' + 'a' * 500_000", 100}, /* two bytes to a character */
    {"''.join('def f%d(a): return a + \\'%d%s\\'\\n' % (i, i, 'a ' * 500) for i in range(55))", 300},
    {"'\\n'.join('x = \\'%d \\' * 800' % (i + 1000) for i in range(500))", 30}, /* folded: much larger than its text */
};

static void start_counting(void)
{
    python_exec("import gc, tracemalloc\ngc.collect()\ntracemalloc.start()");
}

static void expect_less_than(long long mebibytes, const char *what)
{
    long long bytes = number_of("gc.collect()\ntracemalloc.get_traced_memory()[0]");
    ck_assert_msg(bytes < mebibytes * MIB, "%s: %lld KiB", what, bytes / 1024);
}

START_TEST(keeps_few_bytes_of_what_was_compiled)
{
    python_set("form", python_eval(kept_texts[_i].text));
    start_counting();
    for (int i = 0; i < kept_texts[_i].count; i++)
        Py_DECREF(compile_in(NULL, 0, "form", i));
    expect_less_than(16 + 8 + 4, kept_texts[_i].text);
}
END_TEST

START_TEST(keeps_few_bytes_of_what_stands_in_files)
{
    char file[32];
    start_counting();
    for (int i = 0; i < 60; i++) {
        snprintf(file, sizeof file, "none/%d.ex", i);
        Py_DECREF(compile_in(file, 1000000, "'a'", i));
        Py_DECREF(compile_in("none/same.ex", 1000000, "'a'", i));
    }
    expect_less_than(16 + 4, "texts far down in files");
}
END_TEST

static char *describe_error(PyObject *block)
{
    PyObject *globals = PyDict_New();
    PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins());
    ck_assert_ptr_null(compile_evaluate(block, globals, NULL));
    PyObject *type, *exception, *traceback;
    PyErr_Fetch(&type, &exception, &traceback);
    PyErr_NormalizeException(&type, &exception, &traceback);
    PyException_SetTraceback(exception, traceback);
    PyObject *description = PyObject_CallMethod(compile_tracebacks(), "describe", "O", exception);
    ck_assert_ptr_nonnull(description);
    char *text = strdup(PyUnicode_AsUTF8AndSize(PyTuple_GetItem(description, 2), NULL));
    Py_DECREF(description);
    Py_DECREF(globals);
    Py_DECREF(type);
    Py_DECREF(exception);
    Py_XDECREF(traceback);
    return text;
}

/* Each error has a traceback with its line while it is new; linecache keeps few of them. */
START_TEST(keeps_few_lines_for_tracebacks)
{
    char code[128], line[64];
    python_exec("import linecache, traceback");
    start_counting();
    for (int i = 0; i < 12; i++) {
        snprintf(code, sizeof code, "'wrong_%d(1)\\n' + '#\\n' * 100_000", i);
        PyObject *block = compile_in(NULL, 0, code, i);
        char *text = describe_error(block);
        snprintf(line, sizeof line, "\n    wrong_%d(1)\n", i);
        ck_assert_msg(strstr(text, line) != NULL, "%s", text);
        ck_assert_msg(strstr(text, "NameError") != NULL, "%s", text);
        free(text);
        Py_DECREF(block);
    }
    expect_less_than(16 + 16 + 4, "lines");
    ck_assert_int_lt(number_of("sum(name.startswith('<eval') for name in linecache.cache)"), 6);
}
END_TEST

/* Code that is not compiled again keeps its lines as long as it is used. */
START_TEST(shows_lines_of_blocks_whose_text_was_dropped)
{
    static const char *const often = "'wrong_again(1)'";
    Py_DECREF(compile_in(NULL, 0, often, 1));
    for (int i = 0; i < 40; i++)
        Py_DECREF(compile_in(NULL, 0, "'#' * 1_000_000", i));
    PyObject *block = compile_in(NULL, 0, often, 1);
    char *text = describe_error(block);
    ck_assert_msg(strstr(text, "\n    wrong_again(1)\n") != NULL, "%s", text);
    free(text);
    Py_DECREF(block);
}
END_TEST

/* -- threads ------------------------------------------------------------------------------------------------------ */

START_TEST(frees_threads_that_have_ended)
{
    struct session *session = SESSION();
    session_expect_value(session,
                         "import gc, threading, weakref\n"
                         "gc.disable()\n"
                         "gone, done = [], []\n"
                         "class Own(threading.Thread):\n"
                         "    def run(self): done.append('own')\n"
                         "def run_all():\n"
                         "    for make in (lambda: threading.Thread(target=lambda: done.append('target')), Own,\n"
                         "                 lambda: threading.Timer(0, lambda: done.append('timer'))):\n"
                         "        for i in range(20):\n"
                         "            thread = make()\n"
                         "            gone.append(weakref.ref(thread))\n"
                         "            thread.start(); thread.join()\n"
                         "run_all()\n"
                         "counts = [done.count(name) for name in ('target', 'own', 'timer')]\n"
                         "result = counts, sum(thread() is not None for thread in gone)\n"
                         "gc.enable()\n"
                         "result",
                         "{[20,20,20],0}");
    session_end(session, 0);
}
END_TEST

/* During its run and afterwards a thread has the `run` that it had before, its own or not. */
START_TEST(leaves_the_run_of_a_thread_alone)
{
    struct session *session = SESSION();
    session_expect_value(session,
                         "import threading\n"
                         "seen = []\n"
                         "def mine(): seen.append(vars(one)['run'] is mine)\n"
                         "one = threading.Thread(); one.run = mine\n"
                         "one.start(); one.join()\n"
                         "two = threading.Thread(target=lambda: seen.append('run' in vars(two)))\n"
                         "two.start(); two.join()\n"
                         "seen + [one.run is mine, 'run' in vars(two)]",
                         "[true,false,true,false]");
    session_expect_value(session,
                         "try: two.start()\n"
                         "except RuntimeError as error: seen.append(str(error))\n"
                         "import _thread\n"
                         "def fail(*_, **__): raise RuntimeError('no thread')\n"
                         "names = [name for name in ('_start_new_thread', '_start_joinable_thread')"
                         " if hasattr(threading, name)]\n"
                         "before = {name: getattr(threading, name) for name in names}\n"
                         "for name in names: setattr(threading, name, fail)\n"
                         "three = threading.Thread(target=lambda: seen.append('three'))\n"
                         "try: three.start()\n"
                         "except RuntimeError as error: seen.append(str(error))\n"
                         "for name in names: setattr(threading, name, before[name])\n"
                         "three.start(); three.join()\n"
                         "seen[2:] + ['run' in vars(three)]",
                         "['threads can only be started once','no thread','three',false]");
    session_end(session, 0);
}
END_TEST

Suite *memory_suite(void)
{
    Suite *suite = suite_create("memory");
    TCase *inside = tcase_create("inside");
    tcase_add_unchecked_fixture(inside, python_fixture_start, NULL);
    tcase_add_loop_test(inside, frees_types_that_were_encoded, 0, sizeof makers / sizeof *makers);
    tcase_add_test(inside, distinguishes_types_at_the_same_address);
    tcase_add_test(inside, finds_encoders_of_types_of_c_code_and_of_others);
    tcase_add_loop_test(inside, keeps_few_bytes_of_what_was_compiled, 0, sizeof kept_texts / sizeof *kept_texts);
    tcase_add_test(inside, keeps_few_bytes_of_what_stands_in_files);
    tcase_add_test(inside, keeps_few_lines_for_tracebacks);
    tcase_add_test(inside, shows_lines_of_blocks_whose_text_was_dropped);
    tcase_set_timeout(inside, 120);
    suite_add_tcase(suite, inside);
    TCase *sessions = tcase_create("sessions");
    int pythons = pythons_count();
    tcase_add_loop_test(sessions, frees_threads_that_have_ended, 0, pythons);
    tcase_add_loop_test(sessions, leaves_the_run_of_a_thread_alone, 0, pythons);
    tcase_set_timeout(sessions, 20);
    suite_add_tcase(suite, sessions);
    return suite;
}
