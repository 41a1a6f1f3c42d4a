/* Tests frames to be sent: their bytes, one by one. */
#include <check.h>

#include "bytes.h"
#include "suites.h"
#include "terms.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/term.h"

/* The frame is the 4 bytes of its length, the version byte, and the term. */
static void expect_term(struct message *message, const char *bytes, size_t length)
{
    ck_assert_int_eq(message_finish(message), MESSAGE_OK);
    ck_assert_uint_eq(message->length, FRAME_HEADER + 1 + length);
    ck_assert_uint_eq(message->bytes[3], 1 + length);
    ck_assert_uint_eq(message->bytes[4], TERM_VERSION);
    ck_assert_mem_eq(message->bytes + 5, bytes, length);
    message_free(message);
}

static struct message *begin(void)
{
    static struct message message;
    message_begin(&message);
    return &message;
}

START_TEST(puts_the_heads_of_terms)
{
    struct message *message = begin();
    message_put_tuple(message, 2);
    message_put_nil_list(message);
    message_put_map(message, 1);
    message_put_list(message, 3);
    message_put_tuple(message, 300);
    expect_term(message, BYTES("\x68\x02\x6a\x74\0\0\0\1\x6c\0\0\0\3\x69\0\0\1\x2c"));
}
END_TEST

static const struct integer {
    long long value;
    const char *bytes;
    size_t length;
} integers[] = {
    {0, BYTES("\x61\x00")},
    {255, BYTES("\x61\xff")},
    {256, BYTES("\x62\x00\x00\x01\x00")},
    {-1, BYTES("\x62\xff\xff\xff\xff")},
    {INT32_MAX, BYTES("\x62\x7f\xff\xff\xff")},
    {INT32_MIN, BYTES("\x62\x80\x00\x00\x00")},
    {2147483648LL, BYTES("\x6e\x04\x00\x00\x00\x00\x80")},
    {-2147483649LL, BYTES("\x6e\x04\x01\x01\x00\x00\x80")},
    {1LL << 40, BYTES("\x6e\x06\x00\x00\x00\x00\x00\x00\x01")},
    {INT64_MAX, BYTES("\x6e\x08\x00\xff\xff\xff\xff\xff\xff\xff\x7f")},
    {INT64_MIN, BYTES("\x6e\x08\x01\x00\x00\x00\x00\x00\x00\x00\x80")},
};

START_TEST(puts_integers)
{
    struct message *message = begin();
    message_put_integer(message, integers[_i].value);
    expect_term(message, integers[_i].bytes, integers[_i].length);
}
END_TEST

START_TEST(puts_unsigned_integers)
{
    struct message *message = begin();
    message_put_unsigned(message, 0);
    message_put_unsigned(message, INT32_MAX);
    message_put_unsigned(message, 1ULL << 31);
    message_put_unsigned(message, UINT64_MAX);
    expect_term(message, BYTES("\x61\x00\x62\x7f\xff\xff\xff\x6e\x04\x00\x00\x00\x00\x80"
                               "\x6e\x08\x00\xff\xff\xff\xff\xff\xff\xff\xff"));
}
END_TEST

START_TEST(puts_big_integers)
{
    unsigned char digits[256] = {[255] = 1};
    struct message *message = begin();
    message_put_big(message, "\1\2", 2, true);
    message_put_big(message, digits, sizeof digits, false);
    ck_assert_int_eq(message_finish(message), MESSAGE_OK);
    ck_assert_mem_eq(message->bytes + 5, "\x6e\2\1\1\2\x6f\0\0\1\0\0", 11);
    ck_assert_mem_eq(message->bytes + 16, digits, sizeof digits);
    ck_assert_uint_eq(message->length, 16 + sizeof digits);
}
END_TEST

START_TEST(puts_leaves)
{
    struct message *message = begin();
    message_put_atom_text(message, "ok");
    message_put_atom(message, "\xc3\xa4x", 2);
    message_put_float(message, 1.5);
    message_put_binary(message, "a\0b", 3);
    message_put_text(message, "");
    message_put_term(message, span_of(BYTES("\x6b\0\1z")));
    expect_term(message,
                BYTES("\x77\x02ok\x77\x02\xc3\xa4\x46\x3f\xf8\0\0\0\0\0\0\x6d\0\0\0\3a\0b\x6d\0\0\0\0\x6b\0\1z"));
}
END_TEST

/* Over 255 bytes of UTF-8, though not over 255 characters. */
START_TEST(puts_a_long_atom)
{
    char name[2 * 255];
    for (size_t i = 0; i < sizeof name; i += 2)
        memcpy(name + i, "\xc3\xa4", 2);
    struct message *message = begin();
    message_put_atom(message, name, sizeof name);
    ck_assert_int_eq(message_finish(message), MESSAGE_OK);
    ck_assert_mem_eq(message->bytes + 5, "\x76\x01\xfe\xc3\xa4", 5);
    message_free(message);
}
END_TEST

START_TEST(fails_on_an_atom_that_cannot_be)
{
    char name[2000];
    memset(name, 'x', sizeof name);
    struct message *message = begin();
    message_put_atom(message, name, sizeof name);
    ck_assert(message->failed);
    ck_assert_int_eq(message_finish(message), MESSAGE_NO_MEMORY);
    message_put_integer(message, 1);
    ck_assert_int_eq(message_finish(message), MESSAGE_NO_MEMORY);
    message_begin(message);
    message_put_integer(message, 1);
    expect_term(message, BYTES("\x61\x01"));
}
END_TEST

START_TEST(grows)
{
    struct message *message = begin();
    message_put_list(message, 100000);
    for (int i = 0; i < 100000; i++)
        message_put_integer(message, 1000);
    message_put_nil_list(message);
    ck_assert_int_eq(message_finish(message), MESSAGE_OK);
    struct span span = span_of(message->bytes + 5, message->length - 5);
    ck_assert_int_eq(term_skip(&span), TERM_OK);
    ck_assert_uint_eq(span_left(&span), 0);
    message_free(message);
}
END_TEST

static int released;

static void count_release(void *owner)
{
    released += *(const int *)owner;
}

START_TEST(pins_and_releases_once)
{
    int one = 1, hundred = 100;
    struct message *message = begin();
    message_put_tuple(message, 2);
    ck_assert(message_pin_binary(message, "pinned", 6, count_release, &one));
    ck_assert(message_pin_binary(message, "more", 4, count_release, &hundred));
    ck_assert_int_eq(message_finish(message), MESSAGE_OK);
    ck_assert_uint_eq(message->bytes[3], 1 + 2 + 5 + 6 + 5 + 4);
    ck_assert_uint_eq(message->pin_count, 2);
    ck_assert_uint_eq(message->pins[0].offset, 4 + 1 + 2 + 5);
    ck_assert_int_eq(released, 0);
    message_begin(message);
    ck_assert_int_eq(released, 101);
    ck_assert_uint_eq(message->pin_count, 0);
    ck_assert(message_pin_binary(message, "again", 5, count_release, &one));
    message_free(message);
    ck_assert_int_eq(released, 102);
}
END_TEST

START_TEST(pins_many)
{
    int one = 1;
    struct message *message = begin();
    for (int i = 0; i < 1000; i++)
        ck_assert(message_pin_binary(message, "x", 1, count_release, &one));
    ck_assert_int_eq(message_finish(message), MESSAGE_OK);
    message_free(message);
    ck_assert_int_eq(released, 1000);
}
END_TEST

static void release_nothing(void *owner)
{
    (void)owner;
}

/* 4 GiB of pinned bytes do not fit; none of them is touched. */
START_TEST(refuses_more_than_a_frame_holds)
{
    struct message *message = begin();
    ck_assert(message_pin_binary(message, "", 4000000000u, release_nothing, NULL));
    ck_assert_int_eq(message_finish(message), MESSAGE_OK);
    ck_assert(message_pin_binary(message, "", 4000000000u, release_nothing, NULL));
    ck_assert_int_eq(message_finish(message), MESSAGE_TOO_LONG);
    message_free(message);
}
END_TEST

START_TEST(gives_a_large_buffer_back)
{
    struct message *message = begin();
    ck_assert_ptr_nonnull(message_reserve(message, 8 * 1024 * 1024));
    message_begin(message);
    ck_assert_uint_lt(message->capacity, 1024 * 1024);
    message_free(message);
}
END_TEST

START_TEST(keeps_within_a_limit)
{
    int none = 0;
    struct message *message = begin();
    message_put_text(message, "before");
    size_t before = message->length;
    for (size_t size = 0; size < 3000; size = 2 * size + 1) {
        char *bytes = calloc(1, size + 1);
        message_set_limit(message, size + 5);
        message_put_binary(message, bytes, size);
        ck_assert(!message->failed && !message->over_limit && message->length == before + size + 5);
        ck_assert(message_allows(message, 0));
        message_put_nil_list(message);
        ck_assert(message->failed && message->over_limit && message->length == before + size + 5);
        ck_assert_uint_eq(message->needed, size + 6);
        message_put_integer(message, 1);
        ck_assert_uint_eq(message->needed, size + 6);
        message_lift_limit(message);
        message_put_integer(message, 1);
        ck_assert_uint_eq(message->length, before + size + 5);
        message_cut(message, before);
        message_put_integer(message, 1);
        ck_assert(!message->failed && message->length == before + 2);
        message_cut(message, before);
        free(bytes);
    }
    message_set_limit(message, 100);
    ck_assert(message_count_outside(message, 90));
    ck_assert(message_pin_binary(message, &none, sizeof none, count_release, &none));
    ck_assert(!message_allows(message, 6));
    ck_assert_uint_eq(message->needed, 101);
    ck_assert_int_eq(message_finish(message), MESSAGE_NO_MEMORY);
    message_begin(message);
    ck_assert(!message->failed && !message->over_limit && message_allows(message, SIZE_MAX));
    message_free(message);
}
END_TEST

/* A limit ends where a small buffer could still grow: the room that it has left is not used. */
START_TEST(ends_a_limit_with_the_message)
{
    struct message *message = begin();
    message_set_limit(message, 3);
    message_put_text(message, "more");
    ck_assert(message->failed);
    message_begin(message);
    message_put_text(message, "more");
    ck_assert_int_eq(message_finish(message), MESSAGE_OK);
    message_set_limit(message, SIZE_MAX);
    message_put_text(message, "more");
    ck_assert_int_eq(message_finish(message), MESSAGE_OK);
    message_free(message);
}
END_TEST

/* The notation that other tests are written in. */
START_TEST(reads_and_shows_the_notation)
{
    static const char text[] = "{ok,-5,1000000000000,[1,'two'],#{a=>1.5,'b'=>[]},Elixir.Date,{}}";
    struct message *message = begin();
    terms_put(message, "{ok, %d, 1000000000000, [1, %s], #{%a => 1.5, %b => []}, Elixir.Date, {}}", -5LL, "two", "a",
              "bc", (size_t)1);
    char *shown = terms_show(span_of(message->bytes + 5, message->length - 5));
    ck_assert_str_eq(shown, text);
    free(shown);
    message_free(message);
}
END_TEST

Suite *message_suite(void)
{
    Suite *suite = suite_create("message");
    TCase *tcase = tcase_create("building");
    tcase_add_test(tcase, puts_the_heads_of_terms);
    tcase_add_loop_test(tcase, puts_integers, 0, (int)(sizeof integers / sizeof *integers));
    tcase_add_test(tcase, puts_unsigned_integers);
    tcase_add_test(tcase, puts_big_integers);
    tcase_add_test(tcase, puts_leaves);
    tcase_add_test(tcase, puts_a_long_atom);
    tcase_add_test(tcase, fails_on_an_atom_that_cannot_be);
    tcase_add_test(tcase, grows);
    tcase_add_test(tcase, pins_and_releases_once);
    tcase_add_test(tcase, pins_many);
    tcase_add_test(tcase, refuses_more_than_a_frame_holds);
    tcase_add_test(tcase, gives_a_large_buffer_back);
    tcase_add_test(tcase, keeps_within_a_limit);
    tcase_add_test(tcase, ends_a_limit_with_the_message);
    tcase_add_test(tcase, reads_and_shows_the_notation);
    suite_add_tcase(suite, tcase);
    return suite;
}
