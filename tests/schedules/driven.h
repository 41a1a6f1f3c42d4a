/* Drives one session whose threads the test holds at schedule points: what such tests send to it and expect of it.
 * Terms are in the notation of terms.h. */
#ifndef PYTHONX_TESTS_DRIVEN_H
#define PYTHONX_TESTS_DRIVEN_H

#include <check.h>

#include "schedule_control.h"
#include "session_driver.h"

extern struct session *session;
extern struct schedule_control *control;

/* Checked fixtures: the session, which has imported what the tests use (see driven.c), and its points. */
void driven_set_up(void);
void driven_tear_down(void);

/* Not among those imports: it takes as long as the rest of a session's start. */
void import_asyncio(void);

/* A test case with these fixtures. */
TCase *driven_case(Suite *suite, const char *name);

/* A test case with another set-up, which calls driven_start: for a session with one more variable (NAME=value; or
 * NULL) in its environment, and with another time to linger after the end of the input (NULL: 1 s). */
TCase *driven_case_with(Suite *suite, const char *name, void (*set_up)(void));
void driven_start(const char *variable, const char *linger_ms);

/* -- points ------------------------------------------------------------------------------------------------------- */

void hold(const char *point);
void hold_once(const char *point);
void reached(const char *point);
void release(const char *point);

/* The timer's thread is held when it next fires; then it goes on until all that is due is done. */
void hold_timer(void);
void timer_fires(void);

/* The main thread executes the request 6, until execution_goes_on; meanwhile the reader thread reads. */
void hold_execution(void);
void execution_goes_on(void);

/* As above, and then the main thread is held before it reads. */
void stop_before_read(void);

/* -- requests; ids and options in the notation, code as it is ----------------------------------------------------- */

void eval(const char *id, const char *code);
void eval_with(const char *id, const char *code, const char *options);
void stream(const char *id, const char *code, const char *options);
void eval_within(const char *call, const char *id, const char *code, const char *options);
void stream_within(const char *call, const char *id, const char *code);

/* Sends two frames in one write, so that one read brings both. */
void send_together(const char *first, const char *second);

/* Waits until the reader thread has handled all that was sent before: it has answered an `info` behind it. For when the
 * main thread is busy, or held anywhere but before its read. */
void all_is_read(void);

/* -- replies ------------------------------------------------------------------------------------------------------ */

void expect_both(const char *one, const char *other);

/* Expects an error of that kind next. */
void expect_error(const char *id, const char *kind);

/* Expects the value, or an error of that kind, next; returns whether it is the value. */
bool expect_value_or_error(const char *value, const char *id, const char *kind);

/* Expects {invoke, Call, {'m', Function}, []} next. */
void expect_call(const char *call, const char *function);
void answer(const char *call, const char *value);

/* Expects that no request is under way, that requests run, and that the session ends as it should after its input. */
void expect_quiet_end(void);

/* -- threads of Python -------------------------------------------------------------------------------------------- */

/* A thread of Python, which belongs to no request, waits for the call {1,nil}. The result is appended to `log` once it
 * has come; then the thread ends. */
void start_calling_thread(void);
/* Likewise on a request's behalf: the request R1 (id 'r1'), made within {1,nil}, runs this code on that thread. */
void run_on_thread(const char *code, const char *options);

#endif
