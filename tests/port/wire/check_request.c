/* Tests frames to requests: which are accepted, and the errors of the others. */
#include <check.h>
#include <stdio.h>
#include <unistd.h>

#include "bytes.h"
#include "suites.h"
#include "terms.h"
#include "wire/request.h"
#include "wire/term.h"

/* An exactly sized frame, the caller's. */
static struct frame frame_of(const void *bytes, size_t length)
{
    unsigned char *copy = bytes_copy(bytes, length);
    return (struct frame){copy, length, copy};
}

/* The frame of a term in the notation of terms.h. */
static struct frame frame_of_term(const char *format, ...)
{
    struct message message = {0};
    va_list arguments;
    message_begin(&message);
    va_start(arguments, format);
    terms_put_list(&message, format, arguments);
    va_end(arguments);
    struct frame frame = frame_of(message.bytes + FRAME_HEADER, message.length - FRAME_HEADER);
    message_free(&message);
    return frame;
}

static void expect_id(struct span id, const char *text)
{
    char *shown = id.length > 0 ? terms_show(id) : strdup("none");
    ck_assert_str_eq(shown, text);
    free(shown);
}

static const struct good {
    const char *term, *id;
    enum operation operation;
    size_t arguments;
} good_requests[] = {
    {"{eval, 1, '1+1'}", "1", OPERATION_eval, 1},
    {"{eval, 1, '1+1', #{}}", "1", OPERATION_eval, 2},
    {"{exec, 1, 'x=1'}", "1", OPERATION_exec, 1},
    {"{exec, 1, 'x=1', #{}}", "1", OPERATION_exec, 2},
    {"{call, 1, 'len', [[]]}", "1", OPERATION_call, 2},
    {"{call, 1, 'len', [[]], #{}}", "1", OPERATION_call, 3},
    {"{call, 1, 'len', [[]], #{}, #{}}", "1", OPERATION_call, 4},
    {"{release, [1, 2]}", "none", OPERATION_release, 1},
    {"{info, 7}", "7", OPERATION_info, 0},
    {"{stop, 7}", "7", OPERATION_stop, 0},
    {"{stop, an_atom}", "an_atom", OPERATION_stop, 0},
    {"{stop, 'a binary'}", "'a binary'", OPERATION_stop, 0},
    {"{stop, {a, [tuple, #{of => 1.5}]}}", "{a,[tuple,#{of=>1.5}]}", OPERATION_stop, 0},
    {"{stop, -1000000000000}", "-1000000000000", OPERATION_stop, 0},
    {"{stop, nil}", "nil", OPERATION_stop, 0},
    {"{stop, []}", "[]", OPERATION_stop, 0},
};

START_TEST(accepts)
{
    const struct good *good = &good_requests[_i];
    struct frame frame = frame_of_term(good->term);
    struct request request;
    struct request_refusal refusal;
    ck_assert_msg(request_read(&frame, &request, &refusal), "%s: %s", good->term, refusal.message);
    ck_assert_ptr_null(frame.bytes);
    ck_assert_int_eq(request.operation, good->operation);
    ck_assert_uint_eq(request.argument_count, good->arguments);
    expect_id(request.id, good->id);
    for (size_t i = 0; i < request.argument_count; i++)
        ck_assert_int_eq(term_skip(&request.arguments), TERM_OK);
    ck_assert_uint_eq(span_left(&request.arguments), 0);
    request_free(&request);
}
END_TEST

static void expect_refusal(struct frame *frame, const char *id, const char *kind, const char *part)
{
    struct request request;
    struct request_refusal refusal;
    ck_assert(!request_read(frame, &request, &refusal));
    ck_assert_ptr_nonnull(frame->bytes);
    ck_assert_str_eq(refusal.kind, kind);
    ck_assert_msg(strstr(refusal.message, part) != NULL, "expected '%s' in '%s'", part, refusal.message);
    expect_id(request.id, id);
    frame_free(frame);
}

static const struct bad {
    const char *term, *id, *message;
} bad_requests[] = {
    {"{}", "none", "begins with its operation"},
    {"eval", "none", "begins with its operation"},
    {"[eval, 1, '1']", "none", "begins with its operation"},
    {"1.5", "none", "begins with its operation"},
    {"{1, 2, 3}", "2", "begins with an atom"},
    {"{'eval', 2, '1'}", "2", "begins with an atom"},
    {"{[eval], 2, '1'}", "none", "begins with an atom"},
    {"{evil, 5, '1'}", "5", "unknown operation evil"},
    {"{evil}", "none", "unknown operation evil"},
    {"{eva, 5}", "5", "unknown operation eva"},
    {"{evall, 5}", "5", "unknown operation evall"},
    {"{resume, 5}", "5", "unknown operation resume"},
    {"{eval}", "none", "eval takes a tuple of 3 to 4 elements, got 1"},
    {"{eval, 5}", "5", "eval takes a tuple of 3 to 4 elements, got 2"},
    {"{eval, 5, '1', #{}, 6}", "5", "eval takes a tuple of 3 to 4 elements, got 5"},
    {"{exec, 5}", "5", "exec takes a tuple of 3 to 4 elements, got 2"},
    {"{call, 5, 'len'}", "5", "call takes a tuple of 4 to 6 elements, got 3"},
    {"{call, 5, 'len', [], #{}, #{}, 1}", "5", "call takes a tuple of 4 to 6 elements, got 7"},
    {"{release}", "none", "release takes a tuple of 2 elements, got 1"},
    {"{release, 1, []}", "none", "release takes a tuple of 2 elements, got 3"},
    {"{info}", "none", "info takes a tuple of 2 elements, got 1"},
    {"{info, 5, 6}", "5", "info takes a tuple of 2 elements, got 3"},
    {"{stop}", "none", "stop takes a tuple of 2 elements, got 1"},
    {"{stop, 5, 6}", "5", "stop takes a tuple of 2 elements, got 3"},
};

START_TEST(refuses)
{
    const struct bad *bad = &bad_requests[_i];
    struct frame frame = frame_of_term(bad->term);
    expect_refusal(&frame, bad->id, "bad_request", bad->message);
}
END_TEST

static const struct bad_bytes {
    const char *bytes;
    size_t length;
    const char *id, *message;
} bad_bytes[] = {
    {BYTES(""), "none", "an empty frame holds no term"},
    {BYTES("\x82\x6a"), "none", "byte 0 of the frame: expected 131, the version of the term format, got 130"},
    {BYTES("\x83"), "none", "byte 1 of the frame (it ends there)"},
    {BYTES("\x83\xff"), "none", "byte 1 of the frame: unknown tag"},
    {BYTES("\x83\x50\0\0\0\x10xx"), "none", "byte 1 of the frame: compressed terms are not accepted"},
    {BYTES("\x83\x68\x02\x77\x04"
           "stop\x61\x05xyz"),
     "5", "3 bytes are left behind the request's term"},
    {BYTES("\x83\x68"), "none", "byte 1 of the frame: the term promises more bytes"},
    {BYTES("\x83\x68\x03\x77\x04"
           "eval"),
     "none", "byte 9 of the frame (it ends there)"},
    {BYTES("\x83\x68\x03\x77\x05"
           "eval"),
     "none", "byte 3 of the frame: the term promises more bytes"},
    {BYTES("\x83\x68\x03\x77\x04"
           "eval\x6c\0\0\0\1\xff\x6a"),
     "none", "byte 14 of the frame: unknown tag"},
    {BYTES("\x83\x68\x03\x77\x04"
           "eval\x58\x58\x58\x58"),
     "none", "byte 9 of the frame: malformed term"},
    {BYTES("\x83\x68\2\x77\4stop\x63zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"), "none", "byte 9 of the frame: malformed term"},
    {BYTES("\x83\x68\2\x77\4"
           "evil\x63zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"),
     "none", "byte 9 of the frame: malformed term"},
    {BYTES("\x83\x68\3\x77\6within\x46\x7f\xf0\0\0\0\0\0\0\x68\2\x77\4stop\x61\5"), "none",
     "byte 11 of the frame: malformed term"},
};

START_TEST(refuses_bytes)
{
    const struct bad_bytes *bad = &bad_bytes[_i];
    struct frame frame = frame_of(bad->bytes, bad->length);
    expect_refusal(&frame, bad->id, "undecodable", bad->message);
}
END_TEST

/* Names are shown as far as they are plain text. */
START_TEST(shows_no_garbage)
{
    struct frame frame = frame_of(BYTES("\x83\x68\x02\x77\x06"
                                        "ev\n\xff%s\x61\x05"));
    struct request request;
    struct request_refusal refusal;
    ck_assert(!request_read(&frame, &request, &refusal));
    ck_assert_str_eq(refusal.message, "unknown operation ev");
    frame_free(&frame);
}
END_TEST

/* Arguments are read later: cut inside them it is a request, cut before them it is none. Never reads past the end. */
START_TEST(takes_a_request_cut_anywhere)
{
    static const char whole[] = "\x83\x68\x04\x77\x04"
                                "eval\x68\x01\x61\x07\x6d\0\0\0\3"
                                "1+1\x74\0\0\0\0";
    for (size_t length = 0; length < sizeof whole - 1; length++) {
        struct frame frame = frame_of(whole, length);
        struct request request;
        struct request_refusal refusal;
        bool accepted = request_read(&frame, &request, &refusal);
        ck_assert_msg(accepted == (length >= 13), "%zu bytes", length);
        if (!accepted)
            ck_assert_str_eq(refusal.kind, "undecodable");
        frame_free(&frame);
        request_free(&request);
    }
}
END_TEST

/* The id is sent back verbatim, whatever it is. */
START_TEST(keeps_the_bytes_of_an_id)
{
    static const char id[] = "\x5a\x00\x01\x64\x00\x03"
                             "a@b\x00\x00\x00\x01\x00\x00\x00\x02";
    char bytes[64] = "\x83\x68\x02\x77\x04"
                     "stop";
    memcpy(bytes + 9, id, sizeof id - 1);
    struct frame frame = frame_of(bytes, 9 + sizeof id - 1);
    struct request request;
    struct request_refusal refusal;
    ck_assert(request_read(&frame, &request, &refusal));
    ck_assert_uint_eq(request.id.length, sizeof id - 1);
    ck_assert_mem_eq(request.id.bytes, id, sizeof id - 1);
    struct message message = {0};
    message_begin(&message);
    request_put_id(&message, request.id);
    ck_assert_mem_eq(message.bytes + 5, id, sizeof id - 1);
    message_free(&message);
    request_free(&request);
}
END_TEST

START_TEST(puts_errors)
{
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 2);
    request_put_error(&message, span_of(BYTES("\x61\x07")), "syntax", "it is bad");
    request_put_error(&message, (struct span){0}, "shutdown", "gone");
    char *shown = terms_show(span_of(message.bytes + 5, message.length - 5));
    ck_assert_str_eq(shown, "{{error,7,#{kind=>syntax,message=>'it is bad'}},"
                            "{error,nil,#{kind=>shutdown,message=>'gone'}}}");
    free(shown);
    message_free(&message);
}
END_TEST

/* A request in the reader's reserve: its spans move with its bytes. */
START_TEST(owns_its_frame)
{
    struct frame whole = frame_of_term("{within, {3, 4}, {eval, 'an id', '1+1', #{timeout => 5}}}");
    unsigned char *reserve = whole.bytes;
    struct frame frame = {reserve, whole.length, NULL};
    struct request request;
    struct request_refusal refusal;
    ck_assert(request_read(&frame, &request, &refusal));
    ck_assert(request_own(&request));
    memset(reserve, 0, whole.length);
    expect_id(request.id, "'an id'");
    expect_id(request.within, "{3,4}");
    ck_assert_uint_eq(request.other.length, 0);
    char *code = terms_show(request.arguments), *options = terms_show(request.options);
    ck_assert_str_eq(options, "#{timeout=>5}");
    ck_assert_msg(strncmp(code, "'1+1'", 5) == 0, "%s", code);
    free(code);
    free(options);
    request_free(&request);
    frame_free(&whole);
}
END_TEST

/* -- errors without memory ---------------------------------------------------------------------------------------- */

static void expect_error(struct span id, const char *text, const char *expected)
{
    int ends[2];
    unsigned char bytes[4096];
    ck_assert_int_eq(pipe(ends), 0);
    struct writer *writer = writer_new(ends[1]);
    ck_assert(request_send_error(writer, id, PROTOCOL_BAD_REQUEST, text));
    ssize_t length = read(ends[0], bytes, sizeof bytes);
    ck_assert_int_gt(length, FRAME_HEADER + 1);
    ck_assert_int_eq(span_u32_at(bytes), length - FRAME_HEADER);
    char *shown = terms_show(span_of(bytes + FRAME_HEADER + 1, (size_t)length - FRAME_HEADER - 1));
    ck_assert_str_eq(shown, expected);
    free(shown);
    close(ends[0]);
    close(ends[1]);
}

START_TEST(sends_errors)
{
    char text[2001] = {0}, expected[2001];
    expect_error(span_of(BYTES("\x61\x07")), "it is bad", "{error,7,#{kind=>bad_request,message=>'it is bad'}}");
    expect_error((struct span){0}, "gone", "{error,nil,#{kind=>bad_request,message=>'gone'}}");
    memset(text, 'x', 2000);
    snprintf(expected, sizeof expected, "{error,nil,#{kind=>bad_request,message=>'%.512s'}}", text);
    expect_error((struct span){0}, text, expected);
}
END_TEST

Suite *request_suite(void)
{
    Suite *suite = suite_create("request");
    TCase *tcase = tcase_create("reading");
    tcase_add_loop_test(tcase, accepts, 0, (int)(sizeof good_requests / sizeof *good_requests));
    tcase_add_loop_test(tcase, refuses, 0, (int)(sizeof bad_requests / sizeof *bad_requests));
    tcase_add_loop_test(tcase, refuses_bytes, 0, (int)(sizeof bad_bytes / sizeof *bad_bytes));
    tcase_add_test(tcase, shows_no_garbage);
    tcase_add_test(tcase, takes_a_request_cut_anywhere);
    tcase_add_test(tcase, keeps_the_bytes_of_an_id);
    tcase_add_test(tcase, puts_errors);
    tcase_add_test(tcase, owns_its_frame);
    tcase_add_test(tcase, sends_errors);
    suite_add_tcase(suite, tcase);
    return suite;
}
