/* Drives a session of the port program ($PYTHONX_PORT) as its client does. Anything unexpected fails the test, with the
 * text that the program wrote to stderr. Terms are in the notation of terms.h. */
#ifndef PYTHONX_TESTS_SESSION_DRIVER_H
#define PYTHONX_TESTS_SESSION_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "wire/frame.h"

struct session;

struct session_setup {
    int python;                 /* which of pythons.h */
    const char *path;           /* the interpreter, if it is none of those */
    bool other_fds;             /* frames on 3 and 4 */
    bool not_ready;             /* does not wait for `ready` */
    bool leads;                 /* leads a session and a process group, as a port of the BEAM does */
    const char *options[8];     /* further ones, up to the first NULL */
    const char *environment[4]; /* NAME=value, up to the first NULL */
};

struct session *session_start(const struct session_setup *setup);

/* In a loop test over pythons.h: a session under the interpreter of this round. */
#define SESSION(...) session_start(&(struct session_setup){.python = _i, __VA_ARGS__})

pid_t session_pid(const struct session *session);

/* Returns its ready event, and its text on stderr so far. Both are valid until the next such call. */
const char *session_ready(const struct session *session);
const char *session_errors(struct session *session);

/* -- to the session ----------------------------------------------------------------------------------------------- */

void session_send(struct session *session, const char *format, ...);

/* A frame of these bytes; just these bytes. */
void session_send_frame(struct session *session, const void *bytes, size_t length);
void session_write(struct session *session, const void *bytes, size_t length);

/* Writes as much of it as possible, which may be nothing: the session may have ended. */
void session_try_write(struct session *session, const void *bytes, size_t length);

/* Returns our end of its input, for tests that write from another thread. */
int session_input(const struct session *session);

void session_close_input(struct session *session);
void session_close_output(struct session *session);

/* -- from the session --------------------------------------------------------------------------------------------- */

/* Reads the next frame as it came, which the caller must free; returns false at the end of its output. */
bool session_next_frame(struct session *session, struct frame *frame);

/* Returns the next frame, or NULL at the end of its output. Valid until the next call. */
const char *session_next(struct session *session);

/* Likewise, without events of output and logs. */
const char *session_next_reply(struct session *session);

/* Expects this frame next. */
void session_expect(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Expects an error of this kind next, for this id, whose text contains `part`. */
void session_expect_error(struct session *session, const char *id, const char *kind, const char *part);

/* Evaluates code under the id 1 and expects this value, shown as terms.h does; output may come before it. */
void session_expect_value(struct session *session, const char *code, const char *value);

/* Expects a reference under the id 1, shown so; returns its number. */
long long session_expect_reference(struct session *session, const char *type, const char *repr);

/* Expects that it still answers. */
void session_expect_alive(struct session *session);

/* -- the end ------------------------------------------------------------------------------------------------------ */

/* Waits for the process. Returns its exit status, or a signal's number, negative. */
int session_wait(struct session *session);

/* Closes the input; expects no further frame, and this result of session_wait. Frees the session. */
void session_end(struct session *session, int status);

/* Frees the session, whose process may go on or not. */
void session_free(struct session *session);

#endif
