/* Tests sessions under each interpreter: bad input, much input, and its end. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bytes.h"
#include "pythons.h"
#include "session_driver.h"
#include "suites.h"
#include "terms.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/request.h"

/* -- bad requests ------------------------------------------------------------------------------------------------- */

/* FLOAT_EXT without a number in it. */
#define NO_FLOAT "\x63zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"

static const struct {
    const char *frame;
    size_t length;
    const char *id, *kind, *part;
} bad_frames[] = {
    {BYTES(""), "nil", "undecodable", "an empty frame holds no term"},
    {BYTES("\x83"), "nil", "undecodable", "byte 1 of the frame (it ends there)"},
    {BYTES("\x82\x6a"), "nil", "undecodable", "byte 0 of the frame: expected 131"},
    {BYTES("hello, world"), "nil", "undecodable", "byte 0 of the frame: expected 131"},
    {BYTES("\x83\xff"), "nil", "undecodable", "unknown tag"},
    {BYTES("\x83\x50\0\0\0\x40\x78\x9c\xcb"), "nil", "undecodable", "compressed terms are not accepted"},
    {BYTES("\x83\x6a"), "nil", "bad_request", "a request is a tuple"},
    {BYTES("\x83\x68\0"), "nil", "bad_request", "a request is a tuple"},
    {BYTES("\x83\x69\xff\xff\xff\xff\x6a"), "nil", "undecodable", "promises more bytes"},
    {BYTES("\x83\x68\2\x77\4evil\x61\5"), "5", "bad_request", "unknown operation evil"},
    {BYTES("\x83\x68\2\x77\4"
           "eval\x61\5"),
     "5", "bad_request", "eval takes a tuple of 3 to 4 elements, got 2"},
    {BYTES("\x83\x68\3\x77\4"
           "eval\x61\5"),
     "5", "undecodable", "code"},
    {BYTES("\x83\x68\3\x77\4"
           "eval\x61\5\x6d\0\0\0\4"
           "1+1"),
     "5", "undecodable", "code: the term promises more"},
    {BYTES("\x83\x68\3\x77\4"
           "eval\x61\5\x6d\0\0\0\3"
           "1+1x"),
     "5", "undecodable", "1 bytes are left behind"},
    {BYTES("\x83\x68\4\x77\4"
           "eval\x61\5\x6d\0\0\0\1"
           "1\x74\0\0\0\1"),
     "5", "undecodable", "options: the term promises"},
    {BYTES("\x83\x68\4\x77\4"
           "eval\x61\5\x6d\0\0\0\1"
           "1\x74\0\0\0\0zz"),
     "5", "undecodable", "2 bytes are left behind"},
    {BYTES("\x83\x68\4\x77\4"
           "call\x61\5\x6d\0\0\0\3"
           "abs\x6a\x6a"),
     "5", "undecodable", "1 bytes are left behind"},
    {BYTES("\x83\x68\4\x77\4"
           "call\x61\5\x6d\0\0\0\3"
           "abs\x6c\0\0\0\1"),
     "5", "undecodable", "args: the term promises"},
    {BYTES("\x83\x68\5\x77\4"
           "call\x61\5\x6d\0\0\0\3"
           "abs\x6a\x74\0\0\0\1\x61\1"),
     "5", "undecodable", "kwargs[1]: the term"},
    {BYTES("\x83\x68\4\x77\4"
           "call\x61\5\x6d\0\0\0\3"
           "abs\x6c\0\0\0\1\x61\1\x61\2"),
     "5", "undecodable", "improper"},
    {BYTES("\x83\x68\2\x77\4stop\x61\5x"), "5", "undecodable", "1 bytes are left behind"},
    {BYTES("\x83\x68\2\x77\4info\x61\5x"), "5", "undecodable", "1 bytes are left behind"},
    {BYTES("\x83\x68\2\x77\7release\x6c\0\0\0\1\x61\1"), "nil", "undecodable", "refs: the term promises"},
    {BYTES("\x83\x68\2\x77\7release\x6a\x6a"), "nil", "undecodable", "1 bytes are left behind"},
    {BYTES("\x83\x68\2\x77\7release\x74\0\0\0\0"), "nil", "bad_request", "release takes a list of references"},
    {BYTES("\x83\x68\3\x77\7segment\x61\5\x77\1x"), "5", "bad_request", "segment takes a number of bytes"},
    /* An error under the id of another request would seem to be its reply. */
    {BYTES("\x83\x68\3\x77\4next\x61\5\x61\0"), "nil", "bad_request", "next takes the id of a stream"},
    {BYTES("\x83\x68\3\x77\4next\x61\5\x77\1x"), "nil", "bad_request", "next takes the id of a stream"},
    {BYTES("\x83\x68\3\x77\6cancel\x61\5\x61\0"), "nil", "bad_request", "cancel takes a tuple of 2 elements"},
    {BYTES("\x83\x68\2\x77\6cancel\x61\5x"), "nil", "undecodable", "1 bytes are left behind"},
    {BYTES("\x83\x68\3\x77\5reply\x61\5\xff"), "nil", "bad_request", "reply takes the id of a call"},
    {BYTES("\x83\x68\2\x77\6within\x61\5"), "nil", "bad_request", "within takes a call's id and a request"},
    {BYTES("\x83\x68\3\x77\6within\x61\5\x61\5"), "nil", "bad_request", "a request is a tuple"},
    {BYTES("\x83\x68\3\x77\6within\x61\5\x68\2\x77\6within\x61\5"), "5", "bad_request", "unknown operation within"},
    {BYTES("\x83\x68\3\x77\7segment\x61\5\x62\xff\xff\xff\xff"), "5", "bad_request", "segment takes a number of"},
    {BYTES("\x83\x68\3\x77\7segment\x61\5\x62\0\0"), "5", "bad_request", "segment takes a number of bytes"},
    {BYTES("\x83\x68\3\x77\7segment\x61\5\x61\1x"), "5", "bad_request", "segment takes a number of bytes"},
    {BYTES("\x83\x68\3\x77\7segment\x61\5\x6e\x09\0zzzzzzzzz"), "5", "bad_request", "segment takes a number of"},
    {BYTES("\x83\x68\2\x77\7segment\x61\5"), "5", "bad_request", "segment takes a tuple of 3 to 4 elements, got 2"},
    {BYTES("\x83\x68\2\x77\x09give_back\x61\5"), "nil", "bad_request", "give_back takes a list of segment numbers"},
    {BYTES("\x83\x68\2\x77\x09give_back\x6c\0\0\0\1\x77\1x\x6a"), "nil", "bad_request", "give_back takes a list"},
    {BYTES("\x83\x68\2\x77\x09give_back\x6c\0\0\0\2\x61\1"), "nil", "bad_request", "give_back takes a list"},
    {BYTES("\x83\x68\2\x77\x09give_back\x6b\0\5zz"), "nil", "bad_request", "give_back takes a list"},
    {BYTES("\x83\x68\3\x77\x09give_back\x6a\x6a"), "nil", "bad_request",
     "give_back takes a tuple of 2 elements, got 3"},
    {BYTES("\x83\x68\2\x77\4info\x50\0\0\0\1zz"), "nil", "undecodable", "compressed terms are not accepted"},
    {BYTES("\x83\x68\2\x77\4info\x58\x58\x58\x58\x58"), "nil", "undecodable", "malformed term"},
    {BYTES("\x83\x68\3\x77\4"
           "eval\x61\5\x50\0\0\0\1zz"),
     "5", "undecodable", "code: compressed terms are not"},
    {BYTES("\x83\x68\1\x77\4stop"), "nil", "bad_request", "stop takes a tuple of 2 elements, got 1"},
    {BYTES("\x83\x68\2\x61\1\x61\5"), "5", "bad_request", "a request begins with an atom"},
    /* Ids that no BEAM could read in the reply. */
    {BYTES("\x83\x68\3\x77\4"
           "eval" NO_FLOAT "\x6d\0\0\0\1"
           "1"),
     "nil", "undecodable", "byte 9 of the frame: malformed term"},
    {BYTES("\x83\x68\2\x77\4stop" NO_FLOAT), "nil", "undecodable", "byte 9 of the frame: malformed term"},
    {BYTES("\x83\x68\2\x77\4info" NO_FLOAT), "nil", "undecodable", "byte 9 of the frame: malformed term"},
    {BYTES("\x83\x68\2\x77\4info\x68\2\x61\1" NO_FLOAT), "nil", "undecodable", "byte 13 of the frame: malformed"},
    {BYTES("\x83\x68\2\x77\4info\x46\x7f\xf0\0\0\0\0\0\0"), "nil", "undecodable", "byte 9 of the frame: malformed"},
    {BYTES("\x83\x68\2\x77\4info\x74\0\0\0\2\x61\1\x6a\x61\1\x6a"), "nil", "undecodable",
     "byte 9 of the frame: a map with the same key twice"},
    {BYTES("\x83\x68\2\x77\4info\x77\2\xc3\x28"), "nil", "undecodable", "byte 9 of the frame: malformed term"},
    {BYTES("\x83\x68\2\x77\4info\x49\0\1"), "nil", "undecodable", "byte 9 of the frame: unknown tag"},
    {BYTES("\x83\x68\2\x77\4"
           "evil" NO_FLOAT),
     "nil", "undecodable", "byte 9 of the frame: malformed term"},
    {BYTES("\x83\x68\2\x61\1" NO_FLOAT), "nil", "undecodable", "byte 5 of the frame: malformed term"},
    {BYTES("\x83\x68\3\x77\7segment" NO_FLOAT "\x61\1"), "nil", "undecodable", "byte 12 of the frame: malformed"},
    {BYTES("\x83\x68\3\x77\6within" NO_FLOAT "\x68\2\x77\4info\x61\5"), "nil", "undecodable",
     "byte 11 of the frame: malformed term"},
    {BYTES("\x83\x68\3\x77\6within\x61\5\x68\2\x77\4info" NO_FLOAT), "nil", "undecodable",
     "byte 21 of the frame: malformed term"},
    {BYTES("\x83\x68\2\x77\6cancel" NO_FLOAT), "nil", "undecodable", "byte 11 of the frame: malformed term"},
    {BYTES("\x83\x68\3\x77\4next" NO_FLOAT "\x61\1"), "nil", "undecodable", "byte 9 of the frame: malformed term"},
    {BYTES("\x83\x68\3\x77\5reply" NO_FLOAT "\x68\2\x77\2ok\x61\1"), "nil", "undecodable",
     "byte 10 of the frame: malformed term"},
    /* Terms that Python would keep and send back. */
    {BYTES("\x83\x68\4\x77\4"
           "call\x61\5\x6d\0\0\0\3"
           "abs\x6c\0\0\0\1\x67\x77\3"
           "a@b\0\0\0\1\0\0\0\1\4\x6a"),
     "5", "undecodable", "args[0]: malformed term',byte=>24}"},
    {BYTES("\x83\x68\4\x77\4"
           "call\x61\5\x6d\0\0\0\3"
           "abs\x6c\0\0\0\1\x71\x77\1\xff\x77\1"
           "f\x61\1\x6a"),
     "5", "undecodable", "args[0]: malformed term',byte=>24}"},
    {BYTES("\x83\x68\4\x77\4"
           "call\x61\5\x6d\0\0\0\3"
           "abs\x6c\0\0\0\1\x70\0\0\0\7\1\2\3\x6a"),
     "5", "undecodable", "args[0]: malformed term',byte=>24}"},
};

START_TEST(answers_each_bad_frame_once)
{
    struct session *session = SESSION();
    for (size_t i = 0; i < sizeof bad_frames / sizeof *bad_frames; i++) {
        session_send_frame(session, bad_frames[i].frame, bad_frames[i].length);
        session_expect_error(session, bad_frames[i].id, bad_frames[i].kind, bad_frames[i].part);
        session_expect_alive(session);
    }
    session_end(session, 0);
}
END_TEST

/* Other operations of version 1, which this port does not have yet. */
static void put_nested(struct message *message, int depth)
{
    for (int i = 0; i < depth; i++)
        message_put_list(message, 1);
    for (int i = 0; i <= depth; i++)
        message_put_nil_list(message);
}

/* Terms that a recursive reader would take too far: as an argument, and as an id, which is not decoded at all. */
START_TEST(survives_depth)
{
    struct session *session = SESSION();
    struct message deep = {0};
    message_begin(&deep);
    put_nested(&deep, 500000);
    struct span term = span_of(deep.bytes + FRAME_HEADER + 1, deep.length - FRAME_HEADER - 1);
    session_send(session, "{call, 1, 'len', [%t]}", term);
    session_expect_error(session, "1", "undecodable", "nested too deeply");
    session_send(session, "{call, 1, 'len', [], #{}, #{bindings => #{a => %t}}}", term);
    session_expect_error(session, "1", "undecodable", "nested too deeply");
    session_send(session, "{release, %t}", term);
    session_expect_error(session, "nil", "undecodable", "nested too deeply");
    unsigned char *nodes = malloc(2000000);
    memcpy(nodes, "\x83\x68\2\x77\4info", 9);
    memset(nodes + 9, 'X', 2000000 - 9);
    session_send_frame(session, nodes, 2000000);
    session_expect_error(session, "nil", "undecodable", "malformed term");
    free(nodes);
    message_free(&deep);
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* Both ways, on a thread whose stack ends long before the limit on depth. */
START_TEST(survives_depth_on_a_small_stack)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_STACK, &limit), 0);
    limit.rlim_cur = 1024 * 1024;
    ck_assert_int_eq(setrlimit(RLIMIT_STACK, &limit), 0);
    struct session *session = SESSION();
    struct message deep = {0};
    message_begin(&deep);
    put_nested(&deep, 9990);
    session_send(session, "{call, 1, 'len', [%t]}",
                 span_of(deep.bytes + FRAME_HEADER + 1, deep.length - FRAME_HEADER - 1));
    session_expect_error(session, "1", "undecodable", "nested too deeply");
    session_send(session, "{eval, 1, 'x = []\nfor _ in range(9990): x = {1: x}\nx'}");
    session_expect_error(session, "1", "unencodable", "nested too deeply");
    session_expect_value(session, "x = None", "nil");
    message_free(&deep);
    session_end(session, 0);
}
END_TEST

/* -- fuzz --------------------------------------------------------------------------------------------------------- */

#define FRAME_ROOM 400
#define ROUNDS 3000

/* xorshift: the same numbers in every run. */
static unsigned random_below(unsigned bound)
{
    static unsigned state = 2463534242u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % bound;
}

static const char *const seeds[] = {
    "{eval, 1, '1+1'}",
    "{eval, {a, [1, 'b']}, '[x]', #{bindings => #{x => 1.5}, binaries => bytes, return => value}}",
    "{exec, 100000, 'y = 5', #{file => 'f', line => 7}}",
    "{call, 1, 'len', [[1, 2, 3]], #{}, #{return => ref}}",
    "{call, 1, 'dict', [], #{a => [1, {2}], 'b' => nil}}",
    "{call, 1, {$ref, 1}, [#{__struct__ => Elixir.MapSet, map => #{1 => []}}]}",
    "{call, 1, 'str', [#{__struct__ => Elixir.Range, first => 1, last => 5, step => 1}]}",
    "{call, 1, 'str', [#{__struct__ => Elixir.PythonxPort.Bytes, data => 'abc'}]}",
    "{call, 1, 'str', [#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 16}, shape => {1, 2}, data => 'abcd'}]}",
    "{call, 1, 'list', [#{__struct__ => Elixir.Nx.Tensor, type => {s, 8}, shape => {3}, names => [nil],"
    "  data => #{__struct__ => Elixir.Nx.BinaryBackend, state => 'abc'}}]}",
    "{eval, 1, 'b', #{bindings => #{b => #{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {8},"
    "  data => {$segment, 1, 16, 8}}}, binaries => bytes, segments => 1}}",
    "{eval, 1, {$segment, 1, 0, 20}, #{bindings => #{a => 1, 'b' => 2}}}",
    "{assign, 1, #{a => 1, 'b' => [2]}, #{binaries => bytes, timeout => 1000}}",
    "{call, 1, 'bytes', [{$segment, 1, 0, 20}], #{}, #{segments => 5}}",
    "{eval, 1, '{1}', #{types => ['set', 'a.B'], return => ref}}",
    "{call, 1, 'set', [[1]], #{}, #{types => ['set'], return => rich}}",
    "{call, 1, 'list', [#{__struct__ => Elixir.Nx.Tensor, vectorized_axes => [{x, 3}], names => [], shape => {},"
    "  type => {s, 8}, data => #{__struct__ => Elixir.Nx.BinaryBackend, state => 'abc'}}]}",
    "{segment, 1, 1000}",
    "{give_back, [1, 2, 3000]}",
    "{release, [1, {$ref, 2}, 3]}",
    "{info, {now, 1.5}}",
};

struct fuzz_frame {
    unsigned char bytes[FRAME_ROOM];
    size_t length;
};

static void from_seed(struct fuzz_frame *frame)
{
    struct message message = {0};
    message_begin(&message);
    terms_put(&message, seeds[random_below(sizeof seeds / sizeof *seeds)]);
    frame->length = message.length - FRAME_HEADER;
    ck_assert_uint_lt(frame->length, FRAME_ROOM - 10);
    memcpy(frame->bytes, message.bytes + FRAME_HEADER, frame->length);
    message_free(&message);
}

static void mutate_once(struct fuzz_frame *frame)
{
    size_t at = random_below((unsigned)frame->length);
    switch (random_below(5)) {
    case 0:
        frame->bytes[at] = (unsigned char)random_below(256);
        break;
    case 1:
        frame->bytes[at] ^= (unsigned char)(1 << random_below(8));
        break;
    case 2:
        memmove(frame->bytes + at, frame->bytes + at + 1, frame->length - at - 1);
        frame->length--;
        break;
    case 3:
        memmove(frame->bytes + at + 1, frame->bytes + at, frame->length - at);
        frame->length++;
        break;
    default:
        frame->length = at + 1;
    }
}

static void mutate(struct fuzz_frame *frame)
{
    for (unsigned count = 1 + random_below(3); count > 0 && frame->length > 1; count--)
        mutate_once(frame);
}

static void make_garbage(struct fuzz_frame *frame)
{
    frame->length = random_below(60);
    for (size_t i = 0; i < frame->length; i++)
        frame->bytes[i] = (unsigned char)random_below(256);
    if (frame->length > 3 && random_below(2) == 0)
        memcpy(frame->bytes, "\x83\x68\3", 3);
}

/* Reads the frame as the port does: only a request without an id may have no reply, and a stop would end the test. */
static void judge(const struct fuzz_frame *fuzz, bool *stops, bool *may_be_silent)
{
    unsigned char *copy = bytes_copy(fuzz->bytes, fuzz->length);
    struct frame frame = {copy, fuzz->length, copy};
    struct request request;
    struct request_refusal refusal;
    bool read = request_read(&frame, &request, &refusal);
    *stops = read && request.operation == OPERATION_stop;
    *may_be_silent = read && (request.operation == OPERATION_release || request.operation == OPERATION_give_back);
    frame_free(&frame);
    request_free(&request);
}

static void expect_one_reply(struct session *session, const struct fuzz_frame *frame, bool may_be_silent)
{
    int replies = 0;
    char hex[2 * FRAME_ROOM + 1] = "";
    const char *reply;
    while ((reply = session_next_reply(session)) != NULL && strcmp(reply, "{ok,ping,23}") != 0)
        replies++;
    for (size_t i = 0; i < frame->length; i++)
        snprintf(hex + 2 * i, 3, "%02x", frame->bytes[i]);
    ck_assert_msg(reply != NULL, "the session ended after %s\n%s", hex, session_errors(session));
    ck_assert_msg(replies == 1 || (replies == 0 && may_be_silent), "%d replies to %s", replies, hex);
}

static void fuzz(struct session *session, void (*make)(struct fuzz_frame *), void (*change)(struct fuzz_frame *))
{
    for (int round = 0; round < ROUNDS; round++) {
        struct fuzz_frame frame;
        bool stops, may_be_silent;
        make(&frame);
        if (change != NULL)
            change(&frame);
        judge(&frame, &stops, &may_be_silent);
        if (stops)
            continue;
        session_send_frame(session, frame.bytes, frame.length);
        session_send(session, "{eval, ping, '20 + 3'}");
        expect_one_reply(session, &frame, may_be_silent);
    }
}

START_TEST(answers_each_frame_of_garbage_once)
{
    struct session *session = SESSION();
    fuzz(session, make_garbage, NULL);
    session_end(session, 0);
}
END_TEST

START_TEST(answers_each_mutated_request_once)
{
    struct session *session = SESSION();
    fuzz(session, from_seed, mutate);
    session_end(session, 0);
}
END_TEST

/* -- frames over the limit ---------------------------------------------------------------------------------------- */

START_TEST(reads_past_frames_over_the_limit)
{
    static const size_t sizes[] = {1001, 65536, 20000000};
    struct session *session = SESSION(.options = {"--max-frame", "1000"});
    char *large = calloc(1, sizes[2]);
    for (size_t i = 0; i < 3; i++) {
        session_send(session, "{eval, {id, 7}, %b}", large, sizes[i]);
        session_expect_error(session, "{id,7}", "bad_request", "is over the limit of 1000 (--max-frame)");
        session_expect_alive(session);
        session_send_frame(session, large, sizes[i]);
        session_expect_error(session, "nil", "bad_request", "is over the limit of 1000");
        session_send(session, "{eval, %b, '1'}", large, sizes[i]);
        session_expect_error(session, i == 0 ? "''" : "nil", "bad_request", "is over the limit of 1000");
        session_send(session, "{release, [%b]}", large, sizes[i]);
        session_expect_error(session, "nil", "bad_request", "is over the limit of 1000");
        session_expect_alive(session);
    }
    free(large);
    session_end(session, 0);
}
END_TEST

START_TEST(takes_frames_up_to_the_limit)
{
    struct session *session = SESSION(.options = {"--max-frame", "100"});
    char code[101];
    /* The frame holds 16 bytes besides the code. */
    memset(code, '1', sizeof code);
    session_send(session, "{eval, 1, %b}", code, (size_t)(100 - 16));
    ck_assert_int_eq(strncmp(session_next(session), "{ok,1,<integer", 14), 0);
    session_send(session, "{eval, 1, %b}", code, (size_t)(100 - 15));
    session_expect_error(session, "1", "bad_request", "a frame of 101 bytes is over the limit of 100 (--max-frame)");
    session_end(session, 0);
}
END_TEST

/* -- much input --------------------------------------------------------------------------------------------------- */

struct flood {
    const struct session *session;
    int count;
};

static void *send_flood(void *argument)
{
    const struct flood *flood = argument;
    struct message message = {0};
    char code[32];
    for (int i = 0; i < flood->count; i++) {
        snprintf(code, sizeof code, "%d", i);
        message_begin(&message);
        terms_put(&message, "{eval, %d, %s}", (long long)i, code);
        if (message_finish(&message) != MESSAGE_OK ||
            write(session_input(flood->session), message.bytes, message.length) != (ssize_t)message.length)
            break;
    }
    message_free(&message);
    return NULL;
}

START_TEST(answers_a_flood_in_order)
{
    struct session *session = SESSION();
    struct flood flood = {session, 10000};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, send_flood, &flood), 0);
    for (int i = 0; i < flood.count; i++)
        session_expect(session, "{ok,%d,%d}", i, i);
    pthread_join(thread, NULL);
    session_end(session, 0);
}
END_TEST

/* More requests than the queue takes, while none of them runs. */
START_TEST(holds_back_a_flood)
{
    struct session *session = SESSION();
    struct flood flood = {session, 25000};
    pthread_t thread;
    session_send(session, "{exec, sleep, 'import time\ntime.sleep(0.5)'}");
    ck_assert_int_eq(pthread_create(&thread, NULL, send_flood, &flood), 0);
    session_expect(session, "{ok,sleep,nil}");
    for (int i = 0; i < flood.count; i++)
        session_expect(session, "{ok,%d,%d}", i, i);
    pthread_join(thread, NULL);
    session_end(session, 0);
}
END_TEST

/* A client that reads slowly, or not at all for a while, loses nothing. */
START_TEST(waits_for_a_slow_reader)
{
    struct session *session = SESSION();
    session_send(session, "{exec, 1, 'for i in range(20000):\n    print(i, 70 * chr(120))'}");
    session_send(session, "{exec, 2, ''}");
    session_send(session, "{exec, 3, ''}");
    usleep(200000);
    for (int i = 0; i < 20000; i++) {
        char line[100];
        snprintf(line, sizeof line, "%d %070d", i, 0);
        for (char *at = strchr(line, ' ') + 1; *at != '\0'; at++)
            *at = 'x';
        session_expect(session, "{output,1,stdout,'%s\n'}", line);
        if (i % 1000 == 0)
            usleep(5000);
    }
    for (int id = 1; id <= 3; id++)
        session_expect(session, "{ok,%d,nil}", id);
    session_end(session, 0);
}
END_TEST

START_TEST(passes_large_binaries)
{
    struct session *session = SESSION();
    size_t size = 8000000;
    char *large = malloc(size);
    char expected[64];
    memset(large, 'x', size);
    snprintf(expected, sizeof expected, "{ok,1,%zu}", size);
    session_send(session, "{call, 1, 'len', [%b]}", large, size);
    session_expect(session, "%s", expected);
    for (int i = 0; i < 3; i++) {
        session_send(session, "{call, 1, 'bytes', [%b], #{}, #{binaries => bytes}}", large, size);
        const char *reply = session_next(session);
        ck_assert_uint_eq(strlen(reply), strlen("{ok,1,''}") + size);
        ck_assert_mem_eq(reply + strlen("{ok,1,'"), large, size);
    }
    free(large);
    session_end(session, 0);
}
END_TEST

/* -- the end of input --------------------------------------------------------------------------------------------- */

START_TEST(ends_when_the_input_ends)
{
    struct session *session = SESSION();
    session_end(session, 0);
    session = SESSION();
    session_expect_alive(session);
    session_end(session, 0);
}
END_TEST

/* Each may take as long as --linger, all together longer. */
START_TEST(runs_what_came_before_the_end)
{
    struct session *session = SESSION(.options = {"--linger", "500"});
    for (long long i = 0; i < 7; i++)
        session_send(session, "{exec, %d, 'import time\ntime.sleep(0.1)'}", i);
    session_close_input(session);
    for (int i = 0; i < 7; i++)
        session_expect(session, "{ok,%d,nil}", i);
    session_end(session, 0);
}
END_TEST

/* In the length, right behind it, in the body, and in a frame over the limit. */
START_TEST(reports_a_frame_that_was_cut)
{
    static const struct {
        const char *bytes;
        size_t length;
    } cuts[] = {{BYTES("\0")},
                {BYTES("\0\0\0\5")},
                {BYTES("\0\0\0\5ab")},
                {BYTES("\xff\xff\xff\xff"
                       "ab")}};
    for (size_t i = 0; i < 4; i++) {
        struct session *session = SESSION(.options = {"--max-frame", i % 2 == 0 ? "4294967295" : "3"});
        session_write(session, cuts[i].bytes, cuts[i].length);
        session_close_input(session);
        ck_assert_ptr_null(session_next(session));
        ck_assert_int_eq(session_wait(session), 3);
        ck_assert_str_eq(session_errors(session), "pythonx_port: the input ended in the middle of a frame\n");
        session_free(session);
    }
}
END_TEST

START_TEST(reports_a_frame_that_was_cut_while_busy)
{
    struct session *session = SESSION();
    session_send(session, "{exec, 1, 'import time\ntime.sleep(0.3)'}");
    session_write(session, BYTES("\0\0\0\5ab"));
    session_close_input(session);
    session_expect(session, "{ok,1,nil}");
    session_end(session, 3);
}
END_TEST

/* The client still reads: requests that take too long after the end are interrupted, and each gets a reply. */
START_TEST(gives_up_what_takes_too_long)
{
    struct session *session = SESSION(.options = {"--linger", "200"});
    session_send(session, "{exec, 1, 'while True: pass'}");
    session_send(session, "{exec, 2, ''}");
    session_send(session, "{release, [1]}");
    session_send(session, "{exec, 3, ''}");
    session_close_input(session);
    session_expect_error(session, "1", "shutdown", "the input ended while this ran (--linger gives it more time)");
    session_expect_error(session, "2", "shutdown", "the input ended before this request was run");
    session_expect_error(session, "3", "shutdown", "the input ended before this request was run");
    session_end(session, 4);
}
END_TEST

/* Code that cannot be interrupted ends with the process. */
START_TEST(ends_what_cannot_be_interrupted)
{
    static const char *const stubborn[] = {
        "sum(range(10**12))",
        "import time\nwhile True:\n    try: time.sleep(100)\n    except BaseException: pass",
    };
    for (size_t i = 0; i < 2; i++) {
        struct session *session = SESSION(.options = {"--linger", "100"});
        session_send(session, "{exec, 1, %s}", stubborn[i]);
        session_close_input(session);
        session_end(session, 4);
    }
}
END_TEST

Suite *session_input_suite(void)
{
    Suite *suite = suite_create("session_input");
    TCase *tcase = tcase_create("input");
    int pythons = pythons_count();
    tcase_add_loop_test(tcase, answers_each_bad_frame_once, 0, pythons);
    tcase_add_loop_test(tcase, survives_depth, 0, pythons);
    tcase_add_loop_test(tcase, survives_depth_on_a_small_stack, 0, pythons);
    tcase_add_loop_test(tcase, answers_each_frame_of_garbage_once, 0, pythons);
    tcase_add_loop_test(tcase, answers_each_mutated_request_once, 0, pythons);
    tcase_add_loop_test(tcase, reads_past_frames_over_the_limit, 0, pythons);
    tcase_add_loop_test(tcase, takes_frames_up_to_the_limit, 0, pythons);
    tcase_add_loop_test(tcase, answers_a_flood_in_order, 0, pythons);
    tcase_add_loop_test(tcase, holds_back_a_flood, 0, pythons);
    tcase_add_loop_test(tcase, waits_for_a_slow_reader, 0, pythons);
    tcase_add_loop_test(tcase, passes_large_binaries, 0, pythons);
    tcase_add_loop_test(tcase, ends_when_the_input_ends, 0, pythons);
    tcase_add_loop_test(tcase, runs_what_came_before_the_end, 0, pythons);
    tcase_add_loop_test(tcase, reports_a_frame_that_was_cut, 0, pythons);
    tcase_add_loop_test(tcase, reports_a_frame_that_was_cut_while_busy, 0, pythons);
    tcase_add_loop_test(tcase, gives_up_what_takes_too_long, 0, pythons);
    tcase_add_loop_test(tcase, ends_what_cannot_be_interrupted, 0, pythons);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return suite;
}
