/* Declares what the parts of the random mode share: requests and calls of the model, and the session they belong to.
 *
 *   mixed_load.c   options, session after session
 *   round.c        one session: start, load, quiet moments, end
 *   loads*.c       the kinds of requests: what is sent, and which value is due
 *   requests.c     sends requests, cancels them, does what is due later
 *   calls.c        answers calls from Python, with requests within them
 *   streams.c      grants items, and checks them
 *   model.c        checks replies and the other events against what was sent
 *   port_process.c the process; history.c: frames, both ways; fields.c: terms
 *
 * All of it runs on one thread. */
#ifndef PYTHONX_TESTS_DRIVER_H
#define PYTHONX_TESTS_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port_process.h"
#include "random.h"
#include "wire/span.h"

/* Rings by id and by number: ended requests are kept for a while, to detect a second reply. */
#define REQUESTS_KEPT 8192
#define CALLS_KEPT 4096
#define OPEN_MAX 128
#define ACTIONS_MAX 1024
#define ORDER_KEPT 64

#define WHERE_MAX 16
#define DEPTH_MAX 3
#define WATCHDOG_US ((uint64_t)20 * 1000000)
/* A main thread that waits for the BEAM for half a second runs queued jobs: from then on, order is not checked. */
#define LONG_WAIT_US ((uint64_t)250 * 1000)

struct driver;
struct request;

/* Checks a value, or an error (value.length 0), of a request that was just answered. */
typedef void on_reply(struct driver *driver, struct request *request, struct span value);

struct request {
    long long id;
    const struct load *load;
    uint64_t sent_at, cancelled_at; /* 0: not */
    bool answered;

    /* What is sent: {operation, id, body, options}. */
    const char *operation;
    char body[360];
    bool has_no_options, concurrent, timing, returns_ref, decodes_bytes;
    long long timeout, segments, binding; /* -1: none */
    struct call *within;
    int depth;

    /* What is due. */
    char expected[200];     /* the value as terms.h shows it; empty: on_reply looks at it */
    const char *error_kind; /* instead of a value; */
    char error_text[60];    /* a part of its message */
    on_reply *on_reply;     /* instead of `expected` */
    on_reply *on_ended;     /* what to do next */
    bool has_ticks;         /* the value is {begin, value, end} */
    bool is_exempt;         /* from aborts */
    bool never_ends;        /* unless it is aborted */
    bool must_be_aborted;
    bool awaits;        /* fails within a call that blocks the event loop */
    bool asks;          /* its value is the answer to its call, whose argument is its id */
    bool may_shut_down; /* was not sure to run when the session was stopped */
    bool after_stop;
    bool is_detached, detached_done; /* a thread goes on after the reply, and sends its result */

    /* Events that belong to it. */
    char output[240], output_due[240];
    int logs, logs_due;
    bool was_timed;

    /* Streams. */
    bool is_stream, closes;
    int batch;
    long long first, count, granted, received, leave_after; /* the last: cancelled after so many; -1: read to its end */

    long long number; /* a segment's; of a load's own */
    size_t length;    /* of the data it is about */
    int start;
};

struct call {
    long long number;
    unsigned char key[64]; /* CallId, as it came */
    size_t key_length;
    long long request; /* -1: none */
    long long argument;
    char where[WHERE_MAX]; /* main, async, or the name of a thread */
    int depth;
    uint64_t asked_at;
    bool answered, abandoned;
    bool outlived;   /* its request had its reply before we answered: it must be abandoned */
    bool waits;      /* for what was sent within it */
    int within_open; /* requests */
};

enum action_kind { ACTION_CANCEL, ACTION_ANSWER, ACTION_GRANT };

struct action {
    uint64_t due;
    enum action_kind kind;
    long long id; /* of a request or call */
};

enum phase { PHASE_RUNNING, PHASE_STOPPED, PHASE_INPUT_ENDED };

struct driver {
    struct random random;
    struct port_process *process;
    uint64_t until; /* the end of the whole run */
    uint64_t last_long_wait;
    uint64_t slow_until; /* calls are answered late */
    enum phase phase;
    bool has_numpy, is_quiet;

    struct request requests[REQUESTS_KEPT];
    long long next_id, first_id; /* of this session */
    struct request *open[OPEN_MAX];
    size_t open_count;
    struct call calls[CALLS_KEPT];
    size_t calls_open, detached_open;
    struct action actions[ACTIONS_MAX];
    size_t action_count;

    /* Requests that ran one after the other, and their ticks; the oldest is at ordered % ORDER_KEPT. */
    struct {
        long long id, begin, end;
        int depth; /* 1: none of the others ran inside of it */
        uint64_t sent_at;
    } order[ORDER_KEPT];
    size_t ordered;

    /* As `info` counts, in this session. */
    long long code_sent, code_surely_begun, errors;

    /* Of all sessions. */
    unsigned long long total, aborts, calls_total, items_total, sessions;
};

/* -- loads.c ------------------------------------------------------------------------------------------------------ */

enum {
    LOAD_AWAITS = 1,  /* needs the event loop */
    LOAD_STREAM = 2,  /* stepped on the main thread */
    LOAD_NESTED = 4,  /* may be made within a call */
    LOAD_MODIFIER = 8 /* no requests of its own */
};

struct load {
    const char *name;
    int weight; /* of all; 0: switched off */
    unsigned flags;
    void (*make)(struct driver *driver, struct request *request);
    unsigned long long sent, ok, failed;
};

/* Switches: names separated by commas. */
void loads_only(const char *names);
void loads_without(const char *names);
bool load_is_on(const char *name);
void loads_print(void);

/* Sends a request of a kind at random; with a call, within it, and of a kind without these flags. */
void load_send_any(struct driver *driver, struct call *within, unsigned without);

/* loads_values.c */
void load_eval(struct driver *driver, struct request *request);
void load_exec(struct driver *driver, struct request *request);
void load_call(struct driver *driver, struct request *request);
void load_binding(struct driver *driver, struct request *request);
void load_failure(struct driver *driver, struct request *request);
void load_nap(struct driver *driver, struct request *request);
void load_spin(struct driver *driver, struct request *request);
void load_catch(struct driver *driver, struct request *request);
void load_output(struct driver *driver, struct request *request);
void load_context(struct driver *driver, struct request *request);
void load_log(struct driver *driver, struct request *request);
void load_reference(struct driver *driver, struct request *request);
void load_info(struct driver *driver, struct request *request);
void load_fork(struct driver *driver, struct request *request);
/* loads_waits.c */
void load_coroutine(struct driver *driver, struct request *request);
void load_deadline(struct driver *driver, struct request *request);
void load_ask(struct driver *driver, struct request *request);
void load_ask_async(struct driver *driver, struct request *request);
void load_joined(struct driver *driver, struct request *request);
void load_detached(struct driver *driver, struct request *request);
void load_stream(struct driver *driver, struct request *request);
void load_async_stream(struct driver *driver, struct request *request);
void load_rows(struct driver *driver, struct request *request);
void load_asking_stream(struct driver *driver, struct request *request);
void load_forking_stream(struct driver *driver, struct request *request);
/* loads_memory.c */
void load_segment(struct driver *driver, struct request *request);
void load_receive(struct driver *driver, struct request *request);

/* -- requests.c --------------------------------------------------------------------------------------------------- */

/* Returns a request that must be filled in; NULL if too many are under way. */
struct request *request_new(struct driver *driver, const struct load *load, struct call *within);
void request_send(struct driver *driver, struct request *request);
void request_cancel(struct driver *driver, struct request *request);
struct request *request_find(struct driver *driver,
                             long long id); /* NULL: none of this session, or none that is kept */
bool request_is_aborted(const struct request *request);
void request_ended(struct driver *driver, struct request *request);

/* Returns true if another request cannot end before this one, nor begin. */
bool request_is_ordered(const struct request *request);

void send_line(struct driver *driver, const char *format, ...) __attribute__((format(printf, 2, 3)));
void act_later(struct driver *driver, enum action_kind kind, long long id, int most_us);
void act_on_due(struct driver *driver);
uint64_t next_due(const struct driver *driver, uint64_t latest);

/* -- calls.c ------------------------------------------------------------------------------------------------------ */

void call_asked(struct driver *driver, struct span *event);
void call_abandoned(struct driver *driver, struct span *event);
void call_answer(struct driver *driver, struct call *call);
void call_within_ended(struct driver *driver, struct call *call);
void calls_note_long_waits(struct driver *driver);
void calls_check_quiet(struct driver *driver);
void call_sent_result(struct driver *driver, struct span *event);

/* -- streams.c ---------------------------------------------------------------------------------------------------- */

void stream_drive(struct driver *driver, struct request *request);
void stream_grant(struct driver *driver, struct request *request);
void stream_items(struct driver *driver, struct span *event, bool is_batch);
void stream_check_end(struct driver *driver, struct request *request, bool is_ok);

/* -- model.c ------------------------------------------------------------------------------------------------------ */

void model_take_frame(struct driver *driver, struct span frame);
void model_check_value(const struct request *request, struct span value);
void model_check_order(struct driver *driver, struct request *request, long long begin, long long end);

/* -- round.c ------------------------------------------------------------------------------------------------------ */

struct round_options {
    const char *program, *python, *definitions, *schedule_seed;
};

void round_run(struct driver *driver, const struct round_options *options);

#endif
