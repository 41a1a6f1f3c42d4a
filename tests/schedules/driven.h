/* One session whose threads the test holds at schedule points, and what such tests send to it and expect of it. Terms
 * are in the notation of terms.h. */
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

/* A test case with these fixtures. */
TCase *driven_case(Suite *suite, const char *name);

/* -- points -- */

void hold(const char *point);
void hold_once(const char *point);
void reached(const char *point);
void release(const char *point);

/* The timer's thread stops when it next fires; it goes on, and is done with all that is due. */
void hold_timer(void);
void timer_fires(void);

/* The main thread executes the request 6, until execution_goes_on; meanwhile the reader thread reads. */
void hold_execution(void);
void execution_goes_on(void);

/* The same, and then the main thread stops before it reads. */
void stop_before_read(void);

/* -- requests; ids and options in the notation, code as it is -- */

void eval(const char *id, const char *code);
void eval_with(const char *id, const char *code, const char *options);
void stream(const char *id, const char *code, const char *options);
void eval_within(const char *call, const char *id, const char *code, const char *options);
void stream_within(const char *call, const char *id, const char *code);

/* Two frames in one write, so that one read brings both. */
void send_together(const char *first, const char *second);

/* The reader thread has dealt with all that was sent before: an `info` behind it is answered. For when the main thread
 * is busy, or held anywhere but before its read. */
void all_is_read(void);

/* -- replies -- */

void expect_both(const char *one, const char *other);

/* The next frame is an error of that kind. */
void expect_error(const char *id, const char *kind);

/* The next frame is the value, or an error of that kind; returns whether it is the value. */
bool expect_value_or_error(const char *value, const char *id, const char *kind);

/* {invoke, Call, {'m', Function}, []} */
void expect_call(const char *call, const char *function);
void answer(const char *call, const char *value);

/* Nothing is under way, requests run, and the session ends as it should after its input. */
void expect_quiet_end(void);

/* -- threads of Python -- */

/* A thread of Python, which belongs to no request, waits for the call {1,nil}. What comes of it is appended to `log`
 * once it is over; then the thread ends. */
void start_calling_thread(void);
/* The same on a request's behalf: the request R1 (id 'r1'), made within {1,nil}, runs this code on that thread. */
void run_on_thread(const char *code, const char *options);

#endif
