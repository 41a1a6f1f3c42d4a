/* Tests frames and replies for which there is no memory, or that are over the limit: neither the client nor a caller in
 * Python waits forever. And whom the kernel kills if the system has none. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/platform.h"
#include "pythons.h"
#include "session_driver.h"
#include "suites.h"
#include "terms.h"
#include "wire/frame.h"
#include "wire/message.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#    define CAN_PRELOAD 1
#else
#    define CAN_PRELOAD 0
#endif

/* A frame of this length gets no memory (tests/preload/fail_malloc.c): malloc is asked for one byte more. */
#define STARVED 3776
#define STARVED_MALLOC "FAIL_MALLOC=3777"

static char preload[1200];

/* The library lies beside the program. */
static const char *preload_setting(void)
{
    const char *program = getenv("PYTHONX_PORT");
    const char *slash = program == NULL ? NULL : strrchr(program, '/');
    ck_assert_ptr_nonnull(slash);
    snprintf(preload, sizeof preload, "LD_PRELOAD=%.*s/fail_malloc.so", (int)(slash - program), program);
    return preload;
}

#define STARVED_SESSION() SESSION(.environment = {preload_setting(), STARVED_MALLOC})

/* Bytes of 'x' that fill a frame up to STARVED, in a binary that %b stands for. */
static char filler[STARVED];

static void send_filled(struct session *session, const char *before, const char *behind)
{
    struct message message = {0};
    char format[300];
    memset(filler, 'x', sizeof filler);
    /* Written once, to know its length without the binary's bytes. */
    snprintf(format, sizeof format, "%s%%b%s", before, behind);
    message_begin(&message);
    terms_put(&message, format, filler, (size_t)0);
    size_t length = STARVED - (message.length - FRAME_HEADER);
    message_free(&message);
    session_send(session, format, filler, length);
}

/* Expects an event or reply whose id is the binary of send_filled, between these texts. */
static void expect_filled(struct session *session, const char *before, const char *behind)
{
    const char *frame = session_next_reply(session);
    ck_assert_ptr_nonnull(frame);
    ck_assert_msg(strncmp(frame, before, strlen(before)) == 0, "%.100s", frame);
    ck_assert_msg(strstr(frame, "xxx") != NULL && strstr(frame, behind) != NULL, "expected '%s' in %s", behind,
                  frame + (strlen(frame) > 300 ? strlen(frame) - 300 : 0));
}

START_TEST(serves_small_frames_without_memory)
{
    if (!CAN_PRELOAD)
        return;
    struct session *session = STARVED_SESSION();
    send_filled(session, "{info, ", "}");
    expect_filled(session, "{ok,'xxx", "queued=>0");
    send_filled(session, "{cancel, ", "}");
    send_filled(session, "{give_back, ", "}");
    session_expect_error(session, "nil", "bad_request", "give_back takes a list");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* The stream's own frame is longer than that of its `next`. */
START_TEST(grants_items_without_memory)
{
    if (!CAN_PRELOAD)
        return;
    struct session *session = STARVED_SESSION();
    memset(filler, 'x', sizeof filler);
    /* {next, Id, N}: 1 + 2 + 6 + 5 + Id + 2 */
    size_t length = STARVED - 16;
    session_send(session, "{stream, %b, '[7]'}", filler, length);
    session_send(session, "{next, %b, 9}", filler, length);
    expect_filled(session, "{yield,'xxx", "xxx',7}");
    expect_filled(session, "{ok,'xxx", "xxx',nil}");
    session_end(session, 0);
}
END_TEST

START_TEST(refuses_requests_without_memory)
{
    if (!CAN_PRELOAD)
        return;
    struct session *session = STARVED_SESSION();
    static const char *const before[] = {"{eval, 5, ", "{exec, 5, ", "{stream, 5, ", "{call, 5, "};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        send_filled(session, before[i], i == 3 ? ", []}" : "}");
        session_expect_error(session, "5", "exception", "there is no memory for the request");
        session_expect_alive(session);
    }
    send_filled(session, "{stop, ", "}");
    expect_filled(session, "{error,'xxx", "there is no memory for the request");
    send_filled(session, "{release, [", "]}");
    session_expect_error(session, "nil", "exception", "there is no memory for the request");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

static const char *const calls[] = {
    "import erlang\ntry: erlang.call('m', 'f')\nexcept erlang.Error as error: print(error.kind, end='')",
    "import erlang\ntry: await erlang.call_async('m', 'f', [])\nexcept erlang.Error as error: print(error.kind, "
    "end='')",
    "import erlang, threading\n"
    "def run():\n"
    "  try: erlang.call('m', 'f')\n"
    "  except erlang.Error as error: print(error.kind, end='')\n"
    "thread = threading.Thread(target=run)\nthread.start()\nthread.join()",
};

static void expect_refused_answer(struct session *session, const char *kind)
{
    session_expect_error(session, "nil", kind, "");
    session_expect(session, "{output,1,stdout,'bad_request'}");
    session_expect(session, "{ok,1,nil}");
    session_expect_alive(session);
}

START_TEST(ends_calls_whose_answer_has_no_memory)
{
    if (!CAN_PRELOAD)
        return;
    struct session *session = STARVED_SESSION();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        session_send(session, "{exec, 1, %s}", calls[i]);
        char answer[100];
        snprintf(answer, sizeof answer, "{reply, {%zu, 1}, {ok, ", i + 1);
        session_expect(session, "{invoke,{%zu,1},{'m','f'},[]}", i + 1);
        send_filled(session, answer, "}}");
        expect_refused_answer(session, "exception");
    }
    session_end(session, 0);
}
END_TEST

START_TEST(ends_calls_whose_answer_is_over_the_limit)
{
    struct session *session = SESSION(.options = {"--max-frame", "20000"});
    static char large[30000];
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        session_send(session, "{exec, 1, %s}", calls[i]);
        session_expect(session, "{invoke,{%zu,1},{'m','f'},[]}", i + 1);
        session_send(session, "{reply, {%d, 1}, {ok, %b}}", (long long)i + 1, large, sizeof large);
        expect_refused_answer(session, "bad_request");
    }
    session_send(session, "{exec, 1, %s}", calls[0]);
    session_expect(session, "{invoke,{4,1},{'m','f'},[]}");
    session_send_frame(session, "\x83\x68\3\x77\5reply\x68\2\x61\4\x61\1\xff", 16);
    expect_refused_answer(session, "bad_request");
    /* For calls that do not wait any more, and for other operations than replies. */
    session_send(session, "{reply, {77, 1}, {ok, %b}}", large, sizeof large);
    session_expect_error(session, "nil", "bad_request", "over the limit");
    session_send(session, "{next, %b, 1}", large, sizeof large);
    session_expect_error(session, "nil", "bad_request", "over the limit");
    session_send(session, "{stream, 6, %b}", large, sizeof large);
    session_expect_error(session, "6", "bad_request", "over the limit");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* The address space ends before the frame does. */
START_TEST(ends_calls_whose_answer_does_not_fit_memory)
{
#ifdef __SANITIZE_ADDRESS__
    return; /* its shadow memory is over any limit */
#endif
    struct session *session = SESSION(.options = {"--memory-limit", "400000000"});
    size_t piece = 1000000, pieces = 500;
    char *zeros = calloc(1, piece);
    session_send(session, "{exec, 1, %s}", calls[0]);
    session_expect(session, "{invoke,{1,1},{'m','f'},[]}");
    unsigned char head[] = "....\x83\x68\3\x77\5reply\x68\2\x61\1\x61\1\x68\2\x77\2ok\x6d....";
    size_t rest = sizeof head - 1 - FRAME_HEADER;
    frame_put_length(head, rest + piece * pieces);
    frame_put_length(head + sizeof head - 1 - 4, piece * pieces);
    session_write(session, head, sizeof head - 1);
    for (size_t i = 0; i < pieces; i++)
        session_write(session, zeros, piece);
    free(zeros);
    session_expect_error(session, "nil", "bad_request", "there is no memory for a frame of 500000");
    session_expect(session, "{output,1,stdout,'bad_request'}");
    session_expect(session, "{ok,1,nil}");
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* The reply to `info` with an id of a megabyte takes a buffer of two, the error in its place none. */
START_TEST(reports_replies_without_memory)
{
    if (!CAN_PRELOAD)
        return;
    struct session *session = SESSION(.environment = {preload_setting(), "FAIL_REALLOC=2097152"});
    size_t length = 1100000;
    char *id = malloc(length);
    memset(id, 'x', length);
    session_send(session, "{info, %b}", id, length);
    expect_filled(session, "{error,'xxx", "there is no memory for the reply");
    session_send(session, "{eval, %b, '1'}", id, length);
    expect_filled(session, "{error,'xxx", "there is no memory for the reply");
    session_send(session, "{segment, %b, 1000}", id, length);
    expect_filled(session, "{error,'xxx", "there is no memory for the reply");
    session_expect_alive(session);
    free(id);
    session_end(session, 0);
}
END_TEST

/* -- the score by which the kernel chooses --------------------------------------------------------------------------
 */

#ifdef PLATFORM_IS_LINUX
#    include <sys/prctl.h>

#    define NO_SUCH_SCORE 9999
#    define CAPABILITY_OF_LOWERING 24 /* CAP_SYS_RESOURCE */

static int read_own_score(void)
{
    int score = NO_SUCH_SCORE;
    FILE *file = fopen("/proc/self/oom_score_adj", "r");
    ck_assert(file != NULL && fscanf(file, "%d", &score) == 1);
    fclose(file);
    return score;
}

static void set_own_score(int score)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "w");
    ck_assert(file != NULL && fprintf(file, "%d", score) > 0 && fclose(file) == 0);
}

static void expect_score(struct session *session, int score)
{
    char text[16];
    snprintf(text, sizeof text, "%d", score);
    session_expect_value(session, "int(open('/proc/self/oom_score_adj').read())", text);
    session_expect_value(session,
                         "import subprocess\nint(subprocess.check_output(['cat', '/proc/self/oom_score_adj']))", text);
    session_end(session, 0);
}

START_TEST(is_killed_before_its_client)
{
    int own = read_own_score();
    expect_score(SESSION(), own < 500 ? 500 : own);
    expect_score(SESSION(.options = {"--oom-score-adj", "1000"}), 1000);
    ck_assert_int_eq(read_own_score(), own);
    /* Not even the default lowers it. */
    set_own_score(900);
    expect_score(SESSION(), 900);
}
END_TEST

START_TEST(needs_a_privilege_to_be_killed_later)
{
    char lower[16];
    snprintf(lower, sizeof lower, "%d", read_own_score() - 1);
    (void)prctl(PR_CAPBSET_DROP, CAPABILITY_OF_LOWERING); /* fails without the privilege */
    struct session *session = SESSION(.not_ready = true, .options = {"--oom-score-adj", lower});
    ck_assert_int_eq(session_wait(session), 1);
    ck_assert_str_eq(session_errors(session), "pythonx_port: --oom-score-adj: Permission denied\n");
    session_free(session);
}
END_TEST
#endif

Suite *session_memory_suite(void)
{
    Suite *suite = suite_create("session_memory");
    TCase *tcase = tcase_create("memory");
    int pythons = pythons_count();
    tcase_add_loop_test(tcase, serves_small_frames_without_memory, 0, pythons);
    tcase_add_loop_test(tcase, grants_items_without_memory, 0, pythons);
    tcase_add_loop_test(tcase, refuses_requests_without_memory, 0, pythons);
    tcase_add_loop_test(tcase, ends_calls_whose_answer_has_no_memory, 0, pythons);
    tcase_add_loop_test(tcase, ends_calls_whose_answer_is_over_the_limit, 0, pythons);
    tcase_add_loop_test(tcase, ends_calls_whose_answer_does_not_fit_memory, 0, pythons);
    tcase_add_loop_test(tcase, reports_replies_without_memory, 0, pythons);
#ifdef PLATFORM_IS_LINUX
    tcase_add_loop_test(tcase, is_killed_before_its_client, 0, pythons);
    tcase_add_loop_test(tcase, needs_a_privilege_to_be_killed_later, 0, 1);
#endif
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return suite;
}
