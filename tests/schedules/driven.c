/* Keeps one session and the control of its points; an unexpected frame fails the test. */
#include "driven.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "terms.h"
#include "wire/message.h"

#define SECONDS_MAX 20

struct session *session;
struct schedule_control *control;

static const char preparation[] = "import contextvars, erlang, os, sys, threading, time\n"
                                  "log = []\n"
                                  "def on_main(): return threading.current_thread() is threading.main_thread()\n"
                                  "def wait_for_beam():\n"
                                  "    try: log.append(erlang.call('m', 'thread'))\n"
                                  "    except BaseException as error: log.append(type(error).__name__)\n"
                                  "def start(function):\n"
                                  "    run = lambda: contextvars.Context().run(function)\n"
                                  "    threading.Thread(target=run, daemon=True).start()\n";

void driven_start(const char *variable, const char *linger_ms)
{
    control = schedule_control_new();
    session = session_start(&(struct session_setup){.environment = {schedule_control_variable(control), variable},
                                                    .options = {"--linger", linger_ms == NULL ? "1000" : linger_ms}});
    session_send(session, "{exec, 0, %s}", preparation);
    session_expect(session, "{ok,0,nil}");
}

void driven_set_up(void)
{
    driven_start(NULL, NULL);
}

void import_asyncio(void)
{
    session_send(session, "{exec, 0, %s}", "import asyncio");
    session_expect(session, "{ok,0,nil}");
}

void driven_tear_down(void)
{
    schedule_control_free(control);
}

TCase *driven_case_with(Suite *suite, const char *name, void (*set_up)(void))
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, set_up, driven_tear_down);
    tcase_set_timeout(tcase, SECONDS_MAX);
    suite_add_tcase(suite, tcase);
    return tcase;
}

TCase *driven_case(Suite *suite, const char *name)
{
    return driven_case_with(suite, name, driven_set_up);
}

/* -- points ------------------------------------------------------------------------------------------------------- */

void hold(const char *point)
{
    schedule_hold(control, point);
}

void hold_once(const char *point)
{
    schedule_hold_once(control, point);
}

void reached(const char *point)
{
    schedule_wait_reached(control, point);
}

void release(const char *point)
{
    schedule_release(control, point);
}

void hold_timer(void)
{
    hold("timer_fired");
}

void timer_fires(void)
{
    reached("timer_fired");
    hold_once("timer_done");
    release("timer_fired");
    reached("timer_done");
    release("timer_done");
}

void hold_execution(void)
{
    hold("job_executes");
    eval("6", "6");
    reached("job_executes");
}

void execution_goes_on(void)
{
    release("job_executes");
    session_expect(session, "{ok,6,6}");
}

void stop_before_read(void)
{
    hold("main_before_read");
    execution_goes_on();
    reached("main_before_read");
}

/* -- requests ----------------------------------------------------------------------------------------------------- */

static void ask(const char *operation, const char *id, const char *code, const char *options)
{
    char format[200];
    snprintf(format, sizeof format, "{%s, %s, %%s, #{%s}}", operation, id, options);
    session_send(session, format, code);
}

static void ask_within(const char *call, const char *operation, const char *id, const char *code, const char *options)
{
    char format[200];
    snprintf(format, sizeof format, "{within, %s, {%s, %s, %%s, #{%s}}}", call, operation, id, options);
    session_send(session, format, code);
}

void eval(const char *id, const char *code)
{
    ask("eval", id, code, "");
}

void eval_with(const char *id, const char *code, const char *options)
{
    ask("eval", id, code, options);
}

void stream(const char *id, const char *code, const char *options)
{
    ask("stream", id, code, options);
}

void eval_within(const char *call, const char *id, const char *code, const char *options)
{
    ask_within(call, "eval", id, code, options);
}

void stream_within(const char *call, const char *id, const char *code)
{
    ask_within(call, "stream", id, code, "");
}

static size_t put_frame(unsigned char *bytes, size_t room, const char *term)
{
    struct message message = {0};
    message_begin(&message);
    terms_put(&message, term);
    ck_assert_int_eq(message_finish(&message), MESSAGE_OK);
    ck_assert_uint_le(message.length, room);
    memcpy(bytes, message.bytes, message.length);
    size_t length = message.length;
    message_free(&message);
    return length;
}

void send_together(const char *first, const char *second)
{
    unsigned char bytes[1000];
    size_t length = put_frame(bytes, sizeof bytes, first);
    length += put_frame(bytes + length, sizeof bytes - length, second);
    session_write(session, bytes, length);
}

void all_is_read(void)
{
    session_send(session, "{info, read}");
    const char *frame = session_next(session);
    ck_assert_msg(frame != NULL && strncmp(frame, "{ok,read,#{", 11) == 0, "instead of an info: %s", frame);
}

/* -- replies ------------------------------------------------------------------------------------------------------ */

void expect_both(const char *one, const char *other)
{
    const char *frame = session_next(session);
    bool is_one = frame != NULL && strcmp(frame, one) == 0;
    ck_assert_msg(is_one || (frame != NULL && strcmp(frame, other) == 0), "expected %s or %s\ngot %s\n%s", one, other,
                  frame, session_errors(session));
    session_expect(session, "%s", is_one ? other : one);
}

static bool is_error(const char *frame, const char *id, const char *kind)
{
    char start[200];
    snprintf(start, sizeof start, "{error,%s,#{kind=>%s,", id, kind);
    return frame != NULL && strncmp(frame, start, strlen(start)) == 0;
}

void expect_error(const char *id, const char *kind)
{
    const char *frame = session_next(session);
    ck_assert_msg(is_error(frame, id, kind), "expected an error %s of %s\ngot %s\n%s", kind, id, frame,
                  session_errors(session));
}

bool expect_value_or_error(const char *value, const char *id, const char *kind)
{
    const char *frame = session_next(session);
    bool is_value = frame != NULL && strcmp(frame, value) == 0;
    ck_assert_msg(is_value || is_error(frame, id, kind), "expected %s, or an error %s\ngot %s\n%s", value, kind, frame,
                  session_errors(session));
    return is_value;
}

void expect_call(const char *call, const char *function)
{
    session_expect(session, "{invoke,%s,{'m','%s'},[]}", call, function);
}

void answer(const char *call, const char *value)
{
    char text[200];
    snprintf(text, sizeof text, "{reply, %s, {ok, %s}}", call, value);
    session_send(session, text);
}

void expect_quiet_end(void)
{
    session_expect_alive(session);
    session_send(session, "{info, last}");
    const char *frame = session_next(session);
    static const char *const counts[] = {"queued=>0,", "tasks=>0,", "streams=>0,", "calls=>0,"};
    for (size_t i = 0; i < 4; i++)
        ck_assert_msg(frame != NULL && strstr(frame, counts[i]) != NULL, "not %s in %s", counts[i], frame);
    session_end(session, 0);
}

/* -- threads of Python -------------------------------------------------------------------------------------------- */

void start_calling_thread(void)
{
    eval("0", "start(wait_for_beam)");
    expect_both("{ok,0,nil}", "{invoke,{1,nil},{'m','thread'},[]}");
    /* The thread has sent its call before it waits; then it runs this. */
    eval_within("{1, nil}", "0", "on_main()", "");
    session_expect(session, "{ok,0,false}");
}

void run_on_thread(const char *code, const char *options)
{
    start_calling_thread();
    eval_within("{1, nil}", "r1", code, options);
}
