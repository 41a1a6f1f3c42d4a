/* A session of the port program ($PYTHONX_PORT) as its client sees it. What goes wrong fails the test, with what the
 * program wrote to stderr. Terms are in the notation of terms.h. */
#ifndef PYTHONX_TESTS_SESSION_DRIVER_H
#define PYTHONX_TESTS_SESSION_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "wire/frame.h"

struct session;

struct session_setup {
    int python;                 /* which of pythons.h */
    const char *path;           /* the interpreter, where it is none of those */
    bool other_fds;             /* frames on 3 and 4 */
    bool not_ready;             /* does not wait for `ready` */
    const char *options[8];     /* further ones, up to the first NULL */
    const char *environment[4]; /* NAME=value, up to the first NULL */
};

struct session *session_start(const struct session_setup *setup);

/* In a loop test over pythons.h: a session under the interpreter of this round. */
#define SESSION(...) session_start(&(struct session_setup){.python = _i, __VA_ARGS__})

pid_t session_pid(const struct session *session);

/* What it said when it was ready, and what it has written to stderr so far. Both live until the next such call. */
const char *session_ready(const struct session *session);
const char *session_errors(struct session *session);

/* -- to the session -- */

void session_send(struct session *session, const char *format, ...);

/* A frame of these bytes; just these bytes. */
void session_send_frame(struct session *session, const void *bytes, size_t length);
void session_write(struct session *session, const void *bytes, size_t length);

/* As much of it as goes, which may be nothing: the session may have ended. */
void session_try_write(struct session *session, const void *bytes, size_t length);

/* Our end of its input, for those who write from another thread. */
int session_input(const struct session *session);

void session_close_input(struct session *session);
void session_close_output(struct session *session);

/* -- from the session -- */

/* The next frame as it came, to be freed; false at the end of its output. */
bool session_next_frame(struct session *session, struct frame *frame);

/* The next frame, or NULL at the end of its output. It lives until the next call. */
const char *session_next(struct session *session);

/* The same without events of output and logs. */
const char *session_next_reply(struct session *session);

/* The next frame is this one. */
void session_expect(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The next reply is an error of this kind, for this id, and somewhere in it stands `part`. */
void session_expect_error(struct session *session, const char *id, const char *kind, const char *part);

/* Evaluates code under the id 1 and expects this value, shown as terms.h does; output may come before it. */
void session_expect_value(struct session *session, const char *code, const char *value);

/* The next frame is a reference under the id 1, shown so; its number. */
long long session_expect_reference(struct session *session, const char *type, const char *repr);

/* It still answers. */
void session_expect_alive(struct session *session);

/* -- the end -- */

/* Waits for the process: its exit status, or a signal's number, negative. */
int session_wait(struct session *session);

/* Closes the input; expects no further frame, and this for session_wait. Frees the session. */
void session_end(struct session *session, int status);

/* Frees the session, whose process may go on or not. */
void session_free(struct session *session);

#endif
