/* Tests sessions under each interpreter: requests that are cancelled or run out of time, that await, stream and call
 * back. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pythons.h"
#include "session_driver.h"
#include "suites.h"

/* The request {Operation, Id, Code, #{Options}}, id and options in the notation of terms.h. */
static void ask(struct session *session, const char *operation, const char *id, const char *code, const char *options)
{
    char *format;
    ck_assert_int_ge(asprintf(&format, "{%s, %s, %%s, #{%s}}", operation, id, options), 0);
    session_send(session, format, code);
    free(format);
}

static void eval(struct session *session, const char *id, const char *code)
{
    ask(session, "eval", id, code, "");
}

static void eval_within(struct session *session, const char *call, const char *id, const char *code)
{
    char *format;
    ck_assert_int_ge(asprintf(&format, "{within, %s, {eval, %s, %%s, #{}}}", call, id), 0);
    session_send(session, format, code);
    free(format);
}

/* Code prints when it has begun, so that the next frame meets it running. */
static void begin(struct session *session, const char *code, const char *options)
{
    char *whole;
    ck_assert_int_ge(asprintf(&whole, "print('begun')\n%s", code), 0);
    ask(session, "eval", "5", whole, options);
    session_expect(session, "{output,5,stdout,'begun\n'}");
    usleep(5000); /* out of print() */
    free(whole);
}

static void expect_usable(struct session *session)
{
    session_expect_value(session, "state + [1]", "['kept',1]");
}

static struct session *start(int _i)
{
    struct session *session = SESSION();
    ask(session, "exec", "1", "import asyncio, erlang, threading, time; state = [\"kept\"]", "");
    session_expect(session, "{ok,1,nil}");
    return session;
}

/* -- cancel ------------------------------------------------------------------------------------------------------- */

static const char *const endless[] = {
    "while True: pass",
    "time.sleep(100)",
    "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "import socket; ends = socket.socketpair(); ends[0].recv(1)",
    "import subprocess; subprocess.run([\"sleep\", \"100\"])",
    "await asyncio.sleep(100)",
    "async def spin():\n    while True: pass\nawait spin()",
    "async def many():\n    await asyncio.gather(*(asyncio.sleep(100) for _ in range(9)))\nawait many()",
    "asyncio.run(asyncio.sleep(100))",
    "while True:\n    try:\n        1 / 0\n    except Exception: pass",
    "def deep(n):\n    while n == 0: pass\n    deep(n - 1)\ndeep(100)",
    "import itertools; max(itertools.count(), key=lambda n: 0)",
};
#define ENDLESS (sizeof endless / sizeof *endless)

START_TEST(cancels_what_runs)
{
    struct session *session = start(_i);
    for (size_t i = 0; i < ENDLESS; i++) {
        begin(session, endless[i], "");
        session_send(session, "{cancel, 5}");
        session_expect_error(session, "5", "cancelled", "the request was cancelled");
        expect_usable(session);
    }
    session_end(session, 0);
}
END_TEST

START_TEST(times_out_what_runs)
{
    struct session *session = start(_i);
    for (size_t i = 0; i < ENDLESS; i++) {
        begin(session, endless[i], "timeout => 200");
        session_expect_error(session, "5", "timeout", "longer than its timeout of 200 ms");
        expect_usable(session);
    }
    session_end(session, 0);
}
END_TEST

/* The signal comes after Python has checked for signals for the last time, and before the call that blocks: no code of
 * Python's runs between the two calls. */
#define ABOUT_TO_BLOCK                                                                                                 \
    "import ctypes, functools, operator\n"                                                                             \
    "calls = [ctypes.PyDLL(None).pause, functools.partial(time.sleep, 100)]\n"

static const char *const about_to_block[] = {
    ABOUT_TO_BLOCK "list(map(operator.call, calls))",
    ABOUT_TO_BLOCK "async def block(): list(map(operator.call, calls))\nawait block()",
    ABOUT_TO_BLOCK "def block(): yield list(map(operator.call, calls))\nnext(block())",
    /* Here the exception is swallowed before the call. */
    ABOUT_TO_BLOCK "class Slow:\n    def __del__(self):\n        for _ in range(10**9): pass\n"
                   "all(map(operator.call, [Slow, calls[1]]))",
};

START_TEST(cancels_what_is_about_to_block)
{
    struct session *session = start(_i);
    for (size_t i = 0; i < sizeof about_to_block / sizeof *about_to_block; i++) {
        begin(session, about_to_block[i], "");
        session_send(session, "{cancel, 5}");
        session_expect_error(session, "5", "cancelled", "the request was cancelled");
        begin(session, about_to_block[i], "timeout => 200");
        session_expect_error(session, "5", "timeout", "longer than its timeout of 200 ms");
        expect_usable(session);
    }
    session_end(session, 0);
}
END_TEST

START_TEST(cancels_a_stream_that_is_about_to_block)
{
    struct session *session = start(_i);
    ask(session, "exec", "1",
        ABOUT_TO_BLOCK "def block():\n    print('begun')\n    yield list(map(operator.call, calls))", "");
    session_expect(session, "{ok,1,nil}");
    ask(session, "stream", "5", "block()", "");
    session_send(session, "{next, 5, 1}");
    session_expect(session, "{output,5,stdout,'begun\n'}");
    usleep(5000);
    session_send(session, "{cancel, 5}");
    session_expect_error(session, "5", "cancelled", "");
    expect_usable(session);
    session_end(session, 0);
}
END_TEST

START_TEST(lets_finally_run)
{
    struct session *session = start(_i);
    begin(session, "try:\n    while True: time.sleep(0)\nfinally: print(\"cleaned\")", "");
    session_send(session, "{cancel, 5}");
    session_expect(session, "{output,5,stdout,'cleaned\n'}");
    session_expect_error(session, "5", "cancelled", "while True");
    begin(session, "try:\n    while True: time.sleep(0)\nexcept erlang.Cancelled: state.append(\"caught\")\nlen(state)",
          "");
    session_send(session, "{cancel, 5}");
    session_expect(session, "{ok,5,2}");
    session_end(session, 0);
}
END_TEST

/* An exception that is swallowed, as in a __del__, is delivered again. */
START_TEST(cancels_in_spite_of_finalizers)
{
    struct session *session = start(_i);
    begin(session,
          "class Slow:\n    def __del__(self):\n        for _ in range(1000): pass\n"
          "while True: Slow()",
          "");
    session_send(session, "{cancel, 5}");
    session_expect_error(session, "5", "cancelled", "the request was cancelled");
    expect_usable(session);
    session_end(session, 0);
}
END_TEST

/* A package whose import is cut short could not be imported again. */
START_TEST(lets_imports_end)
{
    struct session *session = start(_i);
    for (int i = 0; i < 5; i++) {
        eval(session, "5",
             "for name in [name for name in __import__(\"sys\").modules if name.startswith(\"xml\")]: del "
             "__import__(\"sys\").modules[name]\nwhile True:\n    import xml.dom.minidom, xml.sax");
        usleep(1000 * (unsigned)i);
        session_send(session, "{cancel, 5}");
        session_expect_error(session, "5", "cancelled", "");
        session_expect_value(session, "__import__(\"xml.dom.minidom\").dom.minidom.Document.__name__", "'Document'");
    }
    session_end(session, 0);
}
END_TEST

START_TEST(cancels_what_waits)
{
    struct session *session = start(_i);
    begin(session, "while True: pass", "");
    eval(session, "6", "state.append(6)");
    ask(session, "eval", "7", "state.append(7)", "timeout => 20");
    session_send(session, "{cancel, 6}");
    session_expect_error(session, "6", "cancelled", "before it ran");
    session_expect_error(session, "7", "timeout", "waited longer than its timeout of 20 ms");
    session_send(session, "{cancel, 8}");
    session_send(session, "{cancel, 5}");
    session_expect_error(session, "5", "cancelled", "");
    session_send(session, "{cancel, 5}");
    expect_usable(session);
    session_end(session, 0);
}
END_TEST

/* At random moments, before, while and after it runs: one reply each, and never another request's. */
START_TEST(hits_no_wrong_victim)
{
    struct session *session = start(_i);
    unsigned ended[2] = {0};
    srand(4711);
    for (int i = 0; i < 3000; i++) {
        char code[64], id[32];
        snprintf(code, sizeof code, "for _ in range(%d): pass\n%d", rand() % 3000, i);
        snprintf(id, sizeof id, "{id, %d}", i);
        eval(session, id, code);
        for (volatile int delay = rand() % 20000; delay > 0; delay--)
            ;
        session_send(session, "{cancel, {id, %d}}", (long long)i);
        snprintf(code, sizeof code, "%d + 0", i);
        eval(session, "1", code);
        char whole[64], error[64];
        snprintf(whole, sizeof whole, "{ok,{id,%d},%d}", i, i);
        snprintf(error, sizeof error, "{error,{id,%d},#{kind=>cancelled", i);
        const char *reply = session_next_reply(session);
        bool cancelled = strncmp(reply, error, strlen(error)) == 0;
        ck_assert_msg(cancelled || strcmp(reply, whole) == 0, "%d: %s", i, reply);
        ended[cancelled]++;
        session_expect(session, "{ok,1,%d}", i);
    }
    expect_usable(session);
    session_end(session, 0);
}
END_TEST

/* -- await -------------------------------------------------------------------------------------------------------- */

START_TEST(awaits)
{
    struct session *session = start(_i);
    session_expect_value(session, "await asyncio.sleep(0, 'slept')", "'slept'");
    session_expect_value(session, "x = await asyncio.sleep(0, 4)\nx + await asyncio.sleep(0, 5)", "9");
    session_expect_value(session, "[await asyncio.sleep(0, n) for n in (7, 8)]", "[7,8]");
    ask(session, "exec", "1", "async def double(n):\n    await asyncio.sleep(0)\n    return 2 * n", "");
    session_expect(session, "{ok,1,nil}");
    session_send(session, "{call, 1, double, [21], #{}, #{}}");
    session_expect(session, "{ok,1,42}");
    session_expect_value(session, "double(4)", "8");
    session_expect_value(session, "asyncio.gather(double(1), double(2))", "[2,4]");
    ask(session, "exec", "1", "await asyncio.sleep(0); done = True", "");
    session_expect(session, "{ok,1,nil}");
    session_expect_value(session, "done", "true");
    eval(session, "1", "await double(None)");
    session_expect_error(session, "1", "exception", "TypeError");
    eval(session, "1", "raise SystemExit(3)\nawait double(1)");
    session_expect_error(session, "1", "exception", "SystemExit");
    eval(session, "1", "async for x in y: pass\n]");
    session_expect_error(session, "1", "syntax", "");
    session_expect_value(session, "asyncio.run(double(3))", "6");
    session_end(session, 0);
}
END_TEST

START_TEST(overlaps_concurrent_requests)
{
    struct session *session = start(_i);
    for (int i = 0; i < 200; i++) {
        char code[100], id[20];
        snprintf(code, sizeof code, "print(%d); await asyncio.sleep(0.05); print(%d); %d", i, i, i);
        snprintf(id, sizeof id, "%d", i);
        ask(session, "eval", id, code, "concurrent => true");
    }
    eval(session, "last", "state");
    unsigned replies = 0, outputs = 0;
    bool others_first = false;
    while (replies < 201) {
        const char *next = session_next(session);
        int id, told;
        others_first |= strcmp(next, "{ok,last,['kept']}") == 0 && replies == 0;
        if (sscanf(next, "{output,%d,stdout,'%d", &id, &told) == 2) {
            ck_assert_int_eq(id, told);
            outputs++;
        } else {
            ck_assert_msg(strncmp(next, "{ok,", 4) == 0, "%s", next);
            replies++;
        }
    }
    ck_assert(others_first);
    ck_assert_uint_eq(outputs, 400);
    session_end(session, 0);
}
END_TEST

START_TEST(keeps_the_order_of_others)
{
    struct session *session = start(_i);
    eval(session, "1", "await asyncio.sleep(0.05); state.append(1)");
    eval(session, "2", "state.append(2); len(state)");
    session_expect(session, "{ok,1,nil}");
    session_expect(session, "{ok,2,3}");
    ask(session, "eval", "3", "await asyncio.sleep(100)", "concurrent => true");
    eval(session, "4", "asyncio.run(asyncio.sleep(0, 5))");
    session_expect(session, "{ok,4,5}");
    session_send(session, "{cancel, 3}");
    session_expect_error(session, "3", "cancelled", "");
    session_expect_value(session, "state", "['kept',1,2]");
    session_end(session, 0);
}
END_TEST

START_TEST(stops_after_tasks)
{
    struct session *session = start(_i);
    ask(session, "eval", "1", "await asyncio.sleep(0.02); 1", "concurrent => true");
    session_send(session, "{stop, 2}");
    session_expect(session, "{ok,1,1}");
    session_expect(session, "{ok,2,nil}");
    session_end(session, 0);
}
END_TEST

/* -- streams ------------------------------------------------------------------------------------------------------ */

START_TEST(streams_as_granted)
{
    struct session *session = start(_i);
    ask(session, "stream", "5",
        "made = []\ndef make():\n    for n in range(4):\n        made.append(n)\n        yield n\nmake()", "");
    session_expect_value(session, "made", "[]");
    session_send(session, "{next, 5, 1}");
    session_expect(session, "{yield,5,0}");
    session_expect_value(session, "made", "[0]");
    session_send(session, "{next, 5, 2}");
    session_send(session, "{next, 5, 9}");
    session_expect(session, "{yield,5,1}");
    session_expect(session, "{yield,5,2}");
    session_expect(session, "{yield,5,3}");
    session_expect(session, "{ok,5,nil}");
    session_send(session, "{next, 5, 9}");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

START_TEST(streams_in_batches)
{
    struct session *session = start(_i);
    ask(session, "stream", "5", "range(7)", "batch => 3");
    session_send(session, "{next, 5, 100}");
    session_expect(session, "{yields,5,[0,1,2]}");
    session_expect(session, "{yields,5,[3,4,5]}");
    session_expect(session, "{yields,5,[6]}");
    session_expect(session, "{ok,5,nil}");
    /* An item is not held back until the next one comes. */
    ask(session, "stream", "5", "def slow():\n    yield 1\n    time.sleep(100)\nslow()", "batch => 3");
    session_send(session, "{next, 5, 100}");
    session_expect(session, "{yields,5,[1]}");
    session_send(session, "{cancel, 5}");
    session_expect_error(session, "5", "cancelled", "");
    session_end(session, 0);
}
END_TEST

START_TEST(streams_a_lot)
{
    struct session *session = start(_i);
    size_t count = 0;
    ask(session, "stream", "5", "(\"item\" for _ in range(50000))", "batch => 1000");
    session_send(session, "{next, 5, 1000000}");
    for (;;) {
        const char *next = session_next(session);
        if (strncmp(next, "{yields", 7) != 0) {
            ck_assert_str_eq(next, "{ok,5,nil}");
            break;
        }
        for (next = strstr(next, "item"); next != NULL; next = strstr(next + 1, "item"))
            count++;
    }
    ck_assert_uint_eq(count, 50000);
    session_end(session, 0);
}
END_TEST

START_TEST(closes_a_stream_that_is_left)
{
    struct session *session = start(_i);
    static const char *const makers[] = {
        "def make():\n    try:\n        for n in range(9): yield n\n    finally: print(\"closed\")\nmake()",
        "async def make():\n    try:\n        for n in range(9):\n            yield n\n            await "
        "asyncio.sleep(0)\n    finally: print(\"closed\")\nmake()",
    };
    for (size_t i = 0; i < 2; i++) {
        ask(session, "stream", "5", makers[i], "");
        session_send(session, "{next, 5, 2}");
        session_expect(session, "{yield,5,0}");
        session_expect(session, "{yield,5,1}");
        session_expect_value(session, "state", "['kept']");
        session_send(session, "{cancel, 5}");
        session_expect(session, "{output,5,stdout,'closed\n'}");
        session_expect_error(session, "5", "cancelled", "");
        ask(session, "stream", "5", makers[i], "timeout => 50");
        session_send(session, "{next, 5, 1}");
        session_expect(session, "{yield,5,0}");
        session_expect(session, "{output,5,stdout,'closed\n'}");
        session_expect_error(session, "5", "timeout", "");
    }
    ask(session, "stream", "5", makers[0], "");
    session_send(session, "{next, 5, 1}");
    session_expect(session, "{yield,5,0}");
    session_send(session, "{stop, 1}");
    session_expect(session, "{output,5,stdout,'closed\n'}");
    session_expect_error(session, "5", "shutdown", "the session was stopped");
    session_expect(session, "{ok,1,nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(streams_side_by_side)
{
    struct session *session = start(_i);
    ask(session, "stream", "5", "\"ab\"", "");
    ask(session, "stream", "6", "async def make():\n    for x in \"cd\": yield x\nmake()", "");
    session_send(session, "{next, 6, 1}");
    session_expect(session, "{yield,6,'c'}");
    session_send(session, "{next, 5, 1}");
    session_expect(session, "{yield,5,'a'}");
    session_send(session, "{next, 6, 9}");
    session_expect(session, "{yield,6,'d'}");
    session_expect(session, "{ok,6,nil}");
    session_send(session, "{next, 5, 9}");
    session_expect(session, "{yield,5,'b'}");
    session_expect(session, "{ok,5,nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(reports_what_is_no_stream)
{
    struct session *session = start(_i);
    ask(session, "stream", "5", "5", "");
    session_expect_error(session, "5", "exception", "'int' object is not iterable");
    ask(session, "stream", "5", "nowhere", "");
    session_expect_error(session, "5", "exception", "NameError");
    ask(session, "stream", "5", "[1, object()]", "");
    session_send(session, "{next, 5, 9}");
    session_expect(session, "{yield,5,1}");
    session_expect_error(session, "5", "unencodable", "object has no Erlang term");
    ask(session, "stream", "5", "(1 // n for n in (1, 0))", "");
    session_send(session, "{next, 5, 9}");
    session_expect(session, "{yield,5,1}");
    session_expect_error(session, "5", "exception", "ZeroDivisionError");
    expect_usable(session);
    session_end(session, 0);
}
END_TEST

/* -- calls -------------------------------------------------------------------------------------------------------- */

START_TEST(calls_the_client)
{
    struct session *session = start(_i);
    eval(session, "5", "erlang.call(\"Elixir.Enum\", \"sum\", [[1, 2]]) + 1");
    session_expect(session, "{invoke,{1,5},{'Elixir.Enum','sum'},[[1,2]]}");
    session_send(session, "{reply, {1, 5}, {ok, 3}}");
    session_expect(session, "{ok,5,4}");
    eval(session, "5", "erlang.call(\"a\", \"b\")");
    session_expect(session, "{invoke,{2,5},{'a','b'},[]}");
    session_send(session,
                 "{reply, {2, 5}, {error, #{kind => error, type => 'KeyError', message => 'gone', stacktrace => "
                 "'    over there'}}}");
    session_expect_error(session, "5", "exception", "over there");
    session_send(session, "{reply, {2, 5}, {ok, late}}");
    session_send(session, "{reply, nonsense, {ok, late}}");
    eval(session, "5",
         "try: erlang.call(\"a\", \"b\")\nexcept erlang.Error as error: e = error\n[str(e), e.kind, e.type, e.message, "
         "e.stacktrace, e.reason]");
    session_expect(session, "{invoke,{3,5},{'a','b'},[]}");
    session_send(session, "{reply, {3, 5}, {error, [1]}}");
    session_expect(session, "{ok,5,['[1]',nil,nil,nil,nil,[1]]}");
    session_end(session, 0);
}
END_TEST

START_TEST(runs_what_is_made_within_a_call)
{
    struct session *session = start(_i);
    eval(session, "5", "erlang.call(\"a\", \"b\")");
    session_expect(session, "{invoke,{1,5},{'a','b'},[]}");
    eval_within(session, "{1, 5}", "6", "erlang.call(\"c\", \"d\") + 1");
    session_expect(session, "{invoke,{2,6},{'c','d'},[]}");
    eval_within(session, "{2, 6}", "7", "await asyncio.sleep(0, 7)");
    session_expect(session, "{ok,7,7}");
    session_send(session, "{reply, {2, 6}, {ok, 10}}");
    session_expect(session, "{ok,6,11}");
    session_send(session, "{reply, {1, 5}, {ok, done}}");
    session_expect(session, "{ok,5,done}");
    /* If there is no such call it is a request like others. */
    eval_within(session, "{1, 5}", "6", "6");
    session_expect(session, "{ok,6,6}");
    /* So is one that the client did not mark, once the call has waited for long. */
    eval(session, "5", "erlang.call(\"a\", \"b\")");
    session_expect(session, "{invoke,{3,5},{'a','b'},[]}");
    eval(session, "6", "6");
    session_expect(session, "{ok,6,6}");
    session_send(session, "{reply, {3, 5}, {ok, done}}");
    session_expect(session, "{ok,5,done}");
    session_end(session, 0);
}
END_TEST

START_TEST(stops_after_calls)
{
    struct session *session = start(_i);
    eval(session, "5", "erlang.call('a', 'b')");
    session_expect(session, "{invoke,{1,5},{'a','b'},[]}");
    session_send(session, "{stop, 9}");
    usleep(700000); /* longer than a call lets others wait */
    session_send(session, "{reply, {1, 5}, {ok, done}}");
    session_expect(session, "{ok,5,done}");
    session_expect(session, "{ok,9,nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(streams_within_a_call)
{
    struct session *session = start(_i);
    static const char *const ways[] = {
        "erlang.call('a', 'b')",
        "got = []\nthread = threading.Thread(target=lambda: got.append(erlang.call('a', 'b')))\nthread.start()\n"
        "thread.join()\ngot[0]",
        "await erlang.call_async('a', 'b')",
    };
    for (int i = 0; i < 3; i++) {
        eval(session, "5", ways[i]);
        session_expect(session, "{invoke,{%d,5},{'a','b'},[]}", i + 1);
        session_send(session, "{within, {%d, 5}, {stream, 6, 'range(3)'}}", (long long)i + 1);
        session_send(session, "{next, 6, 2}");
        session_expect(session, "{yield,6,0}");
        session_expect(session, "{yield,6,1}");
        session_send(session, "{next, 6, 2}");
        session_expect(session, "{yield,6,2}");
        session_expect(session, "{ok,6,nil}");
        session_send(session, "{reply, {%d, 5}, {ok, done}}", (long long)i + 1);
        session_expect(session, "{ok,5,done}");
    }
    session_end(session, 0);
}
END_TEST

START_TEST(calls_from_threads)
{
    struct session *session = start(_i);
    eval(session, "5",
         "got = []\nthread = threading.Thread(target=lambda: got.append(erlang.call(\"a\", \"b\")))\nthread.start(); "
         "thread.join(); got");
    session_expect(session, "{invoke,{1,5},{'a','b'},[]}");
    eval_within(session, "{1, 5}", "6", "threading.current_thread() is thread");
    session_expect(session, "{ok,6,true}");
    eval_within(session, "{1, 5}", "6", "print(\"begun\")\nwhile True: pass");
    session_expect(session, "{output,6,stdout,'begun\n'}");
    session_send(session, "{cancel, 6}");
    session_expect_error(session, "6", "cancelled", "");
    session_send(session, "{reply, {1, 5}, {ok, done}}");
    session_expect(session, "{ok,5,[done]}");
    session_end(session, 0);
}
END_TEST

START_TEST(calls_from_coroutines)
{
    struct session *session = start(_i);
    eval(session, "5", "await asyncio.gather(*(erlang.call_async(\"a\", n) for n in \"bc\"))");
    session_expect(session, "{invoke,{1,5},{'a','b'},[]}");
    session_expect(session, "{invoke,{2,5},{'a','c'},[]}");
    eval_within(session, "{2, 5}", "6", "await asyncio.sleep(0, 6)");
    session_expect(session, "{ok,6,6}");
    session_send(session, "{reply, {2, 5}, {ok, 2}}");
    session_send(session, "{reply, {1, 5}, {ok, 1}}");
    session_expect(session, "{ok,5,[1,2]}");
    eval(session, "5", "async def block(): return erlang.call(\"a\", \"b\")\nawait block()");
    session_expect(session, "{invoke,{3,5},{'a','b'},[]}");
    eval_within(session, "{3, 5}", "6", "await asyncio.sleep(0, 6)");
    session_expect_error(session, "6", "exception", "erlang.call_async");
    session_send(session, "{reply, {3, 5}, {ok, 3}}");
    session_expect(session, "{ok,5,3}");
    eval(session, "5", "asyncio.run(erlang.call_async(\"a\", \"b\", [1]))");
    session_expect(session, "{invoke,{4,5},{'a','b'},[1]}");
    session_send(session, "{reply, {4, 5}, {ok, 4}}");
    session_expect(session, "{ok,5,4}");
    session_end(session, 0);
}
END_TEST

START_TEST(gives_calls_up_when_cancelled)
{
    struct session *session = start(_i);
    static const char *const ways[] = {"erlang.call(\"a\", \"b\")", "await erlang.call_async(\"a\", \"b\")"};
    for (int i = 0; i < 2; i++) {
        eval(session, "5", ways[i]);
        session_expect(session, "{invoke,{%d,5},{'a','b'},[]}", i + 1);
        session_send(session, "{cancel, 5}");
        session_expect(session, "{abandoned,{%d,5}}", i + 1);
        session_expect_error(session, "5", "cancelled", "");
        session_send(session, "{reply, {%d, 5}, {ok, late}}", (long long)i + 1);
        expect_usable(session);
    }
    ask(session, "eval", "5", "erlang.call(\"a\", \"b\")", "timeout => 50");
    session_expect(session, "{invoke,{3,5},{'a','b'},[]}");
    session_expect(session, "{abandoned,{3,5}}");
    session_expect_error(session, "5", "timeout", "");
    session_end(session, 0);
}
END_TEST

START_TEST(sends_messages)
{
    struct session *session = start(_i);
    eval(session, "5", "erlang.send(\"somebody\", {\"n\": 1})");
    session_expect(session, "{send,'somebody',#{'n'=>1}}");
    session_expect(session, "{ok,5,nil}");
    eval(session, "5", "erlang.send(7, 1)");
    session_expect_error(session, "5", "exception", "send() takes an erlang.Pid");
    eval(session, "5", "erlang.send(\"somebody\", object())");
    session_expect_error(session, "5", "exception", "term: ");
    session_end(session, 0);
}
END_TEST

START_TEST(makes_no_calls_from_a_child)
{
    struct session *session = start(_i);
    eval(session, "1",
         "import os, warnings\nwarnings.simplefilter('ignore')\nread, write = os.pipe()\nif os.fork() == 0:\n"
         "    for ask in (lambda: erlang.call('a', 'b'), lambda: erlang.send('a', 'b')):\n"
         "        try: ask()\n        except RuntimeError as error: os.write(write, str(error).encode() + b';')\n"
         "    os._exit(0)\nos.close(write)\nos.wait()\nos.read(read, 1000).decode()");
    const char *refused = "a forked child has no connection to the BEAM";
    session_expect(session, "{ok,1,'%s;%s;'}", refused, refused);
    session_end(session, 0);
}
END_TEST

/* -- what is reported --------------------------------------------------------------------------------------------- */

static void expect_waiting(struct session *session, int queued, int waiting)
{
    session_send(session, "{info, 9}");
    const char *info = session_next(session);
    char part[64];
    snprintf(part, sizeof part, "queued=>%d,", queued);
    ck_assert_msg(strstr(info, part) != NULL, "%s", info);
    snprintf(part, sizeof part, "waiting=>%d,", waiting);
    ck_assert_msg(strstr(info, part) != NULL, "%s", info);
}

START_TEST(reports_what_waits)
{
    struct session *session = start(_i);
    expect_waiting(session, 0, 0);
    /* A task that others wait for: nothing runs on the main thread, and nothing is about to begin. */
    eval(session, "1", "print('begun')\nawait asyncio.sleep(100)");
    session_expect(session, "{output,1,stdout,'begun\n'}");
    expect_waiting(session, 0, 0);
    eval(session, "2", "2");
    session_send(session, "{release, [77]}");
    eval(session, "3", "3");
    expect_waiting(session, 3, 2);
    session_send(session, "{cancel, 1}");
    session_expect_error(session, "1", "cancelled", "");
    session_expect(session, "{ok,2,2}");
    session_expect(session, "{ok,3,3}");
    /* One that runs is not counted, nor is one that awaits something beside others. */
    ask(session, "eval", "4", "await asyncio.sleep(100)", "concurrent => true");
    eval(session, "5", "print('runs')\nimport time\ntime.sleep(100)");
    session_expect(session, "{output,5,stdout,'runs\n'}");
    eval(session, "6", "6");
    expect_waiting(session, 1, 1);
    session_send(session, "{cancel, 5}");
    session_expect_error(session, "5", "cancelled", "");
    session_expect(session, "{ok,6,6}");
    expect_waiting(session, 0, 0);
    session_send(session, "{cancel, 4}");
    session_expect_error(session, "4", "cancelled", "");
    session_end(session, 0);
}
END_TEST

START_TEST(reports_times_and_counts)
{
    struct session *session = start(_i);
    ask(session, "eval", "5", "5", "timing => true");
    ck_assert_int_eq(strncmp(session_next(session), "{timing,5,", 10), 0);
    session_expect(session, "{ok,5,5}");
    ask(session, "stream", "6", "[]", "");
    ask(session, "eval", "7", "await asyncio.sleep(100)", "concurrent => true");
    eval(session, "8", "1 / 0");
    session_expect_error(session, "8", "exception", "ZeroDivisionError");
    session_send(session, "{info, 9}");
    const char *info = session_next(session);
    ck_assert_msg(strstr(info, "requests=>5,errors=>1,") != NULL, "%s", info);
    ck_assert_msg(strstr(info, "tasks=>1,streams=>1,calls=>0,") != NULL, "%s", info);
    session_send(session, "{cancel, 7}");
    session_expect_error(session, "7", "cancelled", "");
    session_send(session, "{cancel, 6}");
    session_expect_error(session, "6", "cancelled", "");
    session_end(session, 0);
}
END_TEST

START_TEST(attributes_output_of_threads)
{
    struct session *session = start(_i);
    eval(session, "5",
         "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\npool.submit(print, "
         "\"pool\").result()\nthread = threading.Thread(target=print, args=[\"thread\"])\nthread.start(); "
         "thread.join()");
    session_expect(session, "{output,5,stdout,'pool\n'}");
    session_expect(session, "{output,5,stdout,'thread\n'}");
    session_expect(session, "{ok,5,nil}");
    eval(session, "6", "pool.submit(print, \"again\").result()");
    session_expect(session, "{output,6,stdout,'again\n'}");
    session_expect(session, "{ok,6,nil}");
    eval(session, "7", "await asyncio.to_thread(print, \"there\")");
    session_expect(session, "{output,7,stdout,'there\n'}");
    session_expect(session, "{ok,7,nil}");
    eval(session, "8",
         "late = threading.Event(); thread = threading.Thread(target=lambda: (late.wait(), "
         "print(\"late\")))\nthread.start()");
    session_expect(session, "{ok,8,nil}");
    eval(session, "9", "late.set(); thread.join()");
    session_expect(session, "{output,nil,stdout,'late\n'}");
    session_expect(session, "{ok,9,nil}");
    session_end(session, 0);
}
END_TEST

static void expect_start(const char *event, const char *start)
{
    ck_assert_msg(strncmp(event, start, strlen(start)) == 0, "expected %s\ngot %s", start, event);
}

START_TEST(logs)
{
    struct session *session = start(_i);
    eval(session, "5", "import logging; log = logging.getLogger('app.part')\nlog.warning('%d of %s', 1, 'two')");
    const char *event = session_next(session);
    expect_start(event, "{log,5,warning,#{message=>'1 of two',logger=>'app.part',");
    ck_assert_msg(strstr(event, "line=>2,function=>'<module>',time=>") != NULL, "%s", event);
    ck_assert_msg(strstr(event, "thread=>'MainThread'}}") != NULL, "%s", event);
    session_expect(session, "{ok,5,nil}");
    eval(session, "5", "log.info('not shown')\ntry: 1 / 0\nexcept Exception: log.exception('failed \\ud800')");
    event = session_next(session);
    expect_start(event, "{log,5,error,#{message=>'failed \\ud800'");
    ck_assert_msg(strstr(event, "ZeroDivisionError") != NULL, "%s", event);
    session_expect(session, "{ok,5,nil}");
    eval(session, "5", "import warnings\nfor _ in range(2): warnings.warn('old')");
    event = session_next(session);
    expect_start(event, "{log,5,warning,#{message=>'UserWarning: old',logger=>'py.warnings',file=>'<eval ");
    ck_assert_msg(strstr(event, ",line=>2,") != NULL, "%s", event);
    session_expect(session, "{ok,5,nil}");
    eval(session, "5", "log.setLevel(1)\nfor level in (5, 20, 25, 50): log.log(level, 'x')");
    static const char *const levels[] = {"debug", "info", "notice", "critical"};
    for (size_t i = 0; i < 4; i++) {
        event = session_next(session);
        ck_assert_msg(strncmp(event + 7, levels[i], strlen(levels[i])) == 0, "%s", event);
    }
    session_expect(session, "{ok,5,nil}");
    session_end(session, 0);
}
END_TEST

Suite *session_control_suite(void)
{
    Suite *suite = suite_create("session_control");
    int pythons = pythons_count();
    TCase *tcase = tcase_create("control");
    tcase_add_loop_test(tcase, cancels_what_runs, 0, pythons);
    tcase_add_loop_test(tcase, times_out_what_runs, 0, pythons);
    tcase_add_loop_test(tcase, cancels_what_is_about_to_block, 0, pythons);
    tcase_add_loop_test(tcase, cancels_a_stream_that_is_about_to_block, 0, pythons);
    tcase_add_loop_test(tcase, lets_finally_run, 0, pythons);
    tcase_add_loop_test(tcase, cancels_in_spite_of_finalizers, 0, pythons);
    tcase_add_loop_test(tcase, lets_imports_end, 0, pythons);
    tcase_add_loop_test(tcase, cancels_what_waits, 0, pythons);
    tcase_add_loop_test(tcase, hits_no_wrong_victim, 0, pythons);
    tcase_add_loop_test(tcase, awaits, 0, pythons);
    tcase_add_loop_test(tcase, overlaps_concurrent_requests, 0, pythons);
    tcase_add_loop_test(tcase, keeps_the_order_of_others, 0, pythons);
    tcase_add_loop_test(tcase, stops_after_tasks, 0, pythons);
    tcase_add_loop_test(tcase, streams_as_granted, 0, pythons);
    tcase_add_loop_test(tcase, streams_in_batches, 0, pythons);
    tcase_add_loop_test(tcase, streams_a_lot, 0, pythons);
    tcase_add_loop_test(tcase, closes_a_stream_that_is_left, 0, pythons);
    tcase_add_loop_test(tcase, streams_side_by_side, 0, pythons);
    tcase_add_loop_test(tcase, reports_what_is_no_stream, 0, pythons);
    tcase_add_loop_test(tcase, calls_the_client, 0, pythons);
    tcase_add_loop_test(tcase, runs_what_is_made_within_a_call, 0, pythons);
    tcase_add_loop_test(tcase, stops_after_calls, 0, pythons);
    tcase_add_loop_test(tcase, streams_within_a_call, 0, pythons);
    tcase_add_loop_test(tcase, calls_from_threads, 0, pythons);
    tcase_add_loop_test(tcase, calls_from_coroutines, 0, pythons);
    tcase_add_loop_test(tcase, gives_calls_up_when_cancelled, 0, pythons);
    tcase_add_loop_test(tcase, sends_messages, 0, pythons);
    tcase_add_loop_test(tcase, makes_no_calls_from_a_child, 0, pythons);
    tcase_add_loop_test(tcase, reports_what_waits, 0, pythons);
    tcase_add_loop_test(tcase, reports_times_and_counts, 0, pythons);
    tcase_add_loop_test(tcase, attributes_output_of_threads, 0, pythons);
    tcase_add_loop_test(tcase, logs, 0, pythons);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return suite;
}
