/* Tests frames out of a pipe, in whatever pieces they come. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "bytes.h"
#include "suites.h"
#include "wire/frame.h"

static int ends[2]; /* of the pipe: [0] the reader's */

static void open_pipe(void)
{
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}

static void close_end(int end)
{
    if (ends[end] >= 0)
        close(ends[end]);
    ends[end] = -1;
}

static void close_pipe(void)
{
    close_end(0);
    close_end(1);
}

static void put(const void *bytes, size_t length)
{
    ck_assert_int_eq(write(ends[1], bytes, length), (ssize_t)length);
}

static void expect(struct frame_reader *reader, enum frame_status status, const void *bytes, size_t length)
{
    struct frame frame = {0};
    ck_assert_int_eq(frame_reader_next(reader, &frame), status);
    ck_assert_uint_eq(frame.length, length);
    ck_assert_mem_eq(frame.bytes, bytes, length);
    frame_free(&frame);
}

static void expect_nothing(struct frame_reader *reader, enum frame_status status)
{
    struct frame frame = {0};
    ck_assert_int_eq(frame_reader_next(reader, &frame), status);
    ck_assert_ptr_null(frame.bytes);
}

START_TEST(reads_a_frame)
{
    struct frame_reader *reader = frame_reader_new(ends[0], 100, NULL);
    put(BYTES("\0\0\0\5hello"));
    expect(reader, FRAME_READY, BYTES("hello"));
    close_end(1);
    expect_nothing(reader, FRAME_END);
    expect_nothing(reader, FRAME_END);
    frame_reader_free(reader);
}
END_TEST

START_TEST(reads_a_frame_split_anywhere)
{
    static const char whole[] = "\0\0\0\5hello\0\0\0\2ok";
    enum { SIZE = sizeof whole - 1, FIRST = 9 };
    struct frame_reader *reader = frame_reader_new(ends[0], 100, NULL);
    size_t split = (size_t)_i;
    put(whole, split);
    if (split < FIRST)
        expect_nothing(reader, FRAME_WAIT);
    else
        expect(reader, FRAME_READY, BYTES("hello"));
    put(whole + split, SIZE - split);
    if (split < FIRST)
        expect(reader, FRAME_READY, BYTES("hello"));
    expect(reader, FRAME_READY, BYTES("ok"));
    frame_reader_free(reader);
}
END_TEST

START_TEST(reads_a_frame_byte_by_byte)
{
    static const char whole[] = "\0\0\0\5hello";
    struct frame_reader *reader = frame_reader_new(ends[0], 100, NULL);
    for (size_t i = 0; i + 2 < sizeof whole; i++) {
        put(whole + i, 1);
        expect_nothing(reader, FRAME_WAIT);
    }
    put("o", 1);
    expect(reader, FRAME_READY, BYTES("hello"));
    frame_reader_free(reader);
}
END_TEST

START_TEST(reads_many_frames_in_one_read)
{
    struct frame_reader *reader = frame_reader_new(ends[0], 100, NULL);
    for (int i = 0; i < 1000; i++)
        put(BYTES("\0\0\0\3abc"));
    ck_assert(!frame_reader_has_frame(reader));
    for (int i = 0; i < 1000; i++) {
        expect(reader, FRAME_READY, BYTES("abc"));
        ck_assert(frame_reader_has_frame(reader) == (i < 999));
    }
    frame_reader_free(reader);
}
END_TEST

START_TEST(reads_empty_frames)
{
    struct frame_reader *reader = frame_reader_new(ends[0], 100, NULL);
    put(BYTES("\0\0\0\0\0\0\0\0\0\0\0\1x"));
    struct frame frame = {0};
    ck_assert_int_eq(frame_reader_next(reader, &frame), FRAME_READY);
    ck_assert_uint_eq(frame.length, 0);
    ck_assert_ptr_nonnull(frame.bytes);
    frame_free(&frame);
    expect(reader, FRAME_READY, "", 0);
    expect(reader, FRAME_READY, BYTES("x"));
    frame_reader_free(reader);
}
END_TEST

START_TEST(reads_past_a_frame_over_the_limit)
{
    struct frame_reader *reader = frame_reader_new(ends[0], 4, NULL);
    put(BYTES("\0\0\0\5hello\0\0\0\4good"));
    expect(reader, FRAME_REFUSED, BYTES("hello"));
    ck_assert_uint_eq(frame_reader_announced(reader), 5);
    expect(reader, FRAME_READY, BYTES("good"));
    frame_reader_free(reader);
}
END_TEST

/* A refused frame lies in the reader's reserve, up to the next one. */
START_TEST(owns_a_frame_of_the_reserve)
{
    struct frame_reader *reader = frame_reader_new(ends[0], 4, NULL);
    struct frame first = {0}, second = {0};
    put(BYTES("\0\0\0\5hello\0\0\0\6world!"));
    ck_assert_int_eq(frame_reader_next(reader, &first), FRAME_REFUSED);
    ck_assert_ptr_null(first.allocation);
    ck_assert(frame_own(&first));
    ck_assert_ptr_nonnull(first.allocation);
    const unsigned char *bytes = first.bytes;
    ck_assert(frame_own(&first));
    ck_assert_ptr_eq(first.bytes, bytes);
    ck_assert_int_eq(frame_reader_next(reader, &second), FRAME_REFUSED);
    ck_assert_mem_eq(second.bytes, "world!", 6);
    ck_assert_mem_eq(first.bytes, "hello", 5);
    frame_free(&first);
    frame_free(&second);
    ck_assert(frame_own(&first)); /* there is nothing to own */
    frame_reader_free(reader);
}
END_TEST

struct sender {
    unsigned char *bytes;
    size_t length;
};

static void *send_all(void *argument)
{
    const struct sender *sender = argument;
    for (size_t sent = 0; sent < sender->length;) {
        ssize_t count = write(ends[1], sender->bytes + sent, sender->length - sent);
        if (count < 0)
            return NULL;
        sent += (size_t)count;
    }
    return NULL;
}

/* Reads the next frame, however many reads it takes. */
static enum frame_status wait_for_frame(struct frame_reader *reader, struct frame *frame)
{
    enum frame_status status;
    do
        status = frame_reader_next(reader, frame);
    while (status == FRAME_WAIT);
    return status;
}

/* A large frame and a small one behind it; what the reader does with the first depends on the limit. */
static struct frame_reader *begin_large(size_t size, size_t limit, frame_find_bulk *find_bulk, struct sender *sender,
                                        pthread_t *thread)
{
    unsigned char *bytes = malloc(4 + size + 6);
    frame_put_length(bytes, size);
    for (size_t i = 0; i < size; i++)
        bytes[4 + i] = (unsigned char)(i * 7 + i / 256);
    memcpy(bytes + 4 + size, "\0\0\0\2ok", 6);
    *sender = (struct sender){bytes, 4 + size + 6};
    ck_assert_int_eq(pthread_create(thread, NULL, send_all, sender), 0);
    return frame_reader_new(ends[0], limit, find_bulk);
}

static void expect_later(struct frame_reader *reader, enum frame_status status, const void *bytes, size_t length)
{
    struct frame frame = {0};
    ck_assert_int_eq(wait_for_frame(reader, &frame), status);
    ck_assert_uint_eq(frame.length, length);
    ck_assert_mem_eq(frame.bytes, bytes, length);
    frame_free(&frame);
}

static void end_large(struct frame_reader *reader, const struct sender *sender, pthread_t thread)
{
    pthread_join(thread, NULL);
    free(sender->bytes);
    frame_reader_free(reader);
}

START_TEST(reads_large_frames)
{
    static const size_t sizes[] = {65531, 65532, 65533, 65536, 65537, 131072, 3000000};
    struct sender sender;
    pthread_t thread;
    size_t size = sizes[_i];
    struct frame_reader *reader = begin_large(size, size, NULL, &sender, &thread);
    struct frame frame = {0};
    ck_assert_int_eq(wait_for_frame(reader, &frame), FRAME_READY);
    ck_assert_uint_eq(frame.length, size);
    ck_assert_mem_eq(frame.bytes, sender.bytes + 4, size);
    frame_free(&frame);
    ck_assert_int_eq(wait_for_frame(reader, &frame), FRAME_READY);
    ck_assert_uint_eq(frame.length, 2);
    frame_free(&frame);
    pthread_join(thread, NULL);
    free(sender.bytes);
    frame_reader_free(reader);
}
END_TEST

START_TEST(keeps_the_start_of_a_large_refused_frame)
{
    struct sender sender;
    pthread_t thread;
    struct frame_reader *reader = begin_large(3000000, 100, NULL, &sender, &thread);
    struct frame frame = {0};
    ck_assert_int_eq(wait_for_frame(reader, &frame), FRAME_REFUSED);
    ck_assert_uint_eq(frame_reader_announced(reader), 3000000);
    ck_assert_uint_eq(frame.length, FRAME_RESERVE);
    ck_assert_mem_eq(frame.bytes, sender.bytes + 4, frame.length);
    frame_free(&frame);
    ck_assert_int_eq(wait_for_frame(reader, &frame), FRAME_READY);
    ck_assert_mem_eq(frame.bytes, "ok", 2);
    frame_free(&frame);
    pthread_join(thread, NULL);
    free(sender.bytes);
    frame_reader_free(reader);
}
END_TEST

/* Cut in the length, right behind it, and in the body. */
START_TEST(reports_a_frame_that_is_cut)
{
    struct frame_reader *reader = frame_reader_new(ends[0], 100, NULL);
    put("\0\0\0\5hell", (size_t)_i);
    expect_nothing(reader, FRAME_WAIT);
    close_end(1);
    expect_nothing(reader, FRAME_CUT);
    frame_reader_free(reader);
}
END_TEST

START_TEST(reports_a_refused_frame_that_is_cut)
{
    struct frame_reader *reader = frame_reader_new(ends[0], 2, NULL);
    put(BYTES("\0\0\0\5hell"));
    expect_nothing(reader, FRAME_WAIT);
    close_end(1);
    expect_nothing(reader, FRAME_CUT);
    frame_reader_free(reader);
}
END_TEST

START_TEST(reports_a_read_that_failed)
{
    struct frame_reader *reader = frame_reader_new(ends[1], 100, NULL);
    expect_nothing(reader, FRAME_FAILED);
    ck_assert_int_eq(errno, EBADF);
    frame_reader_free(reader);
}
END_TEST

START_TEST(waits_if_the_descriptor_does_not_block)
{
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    struct frame_reader *reader = frame_reader_new(ends[0], 100, NULL);
    expect_nothing(reader, FRAME_WAIT);
    put(BYTES("\0\0\0\2ok"));
    expect(reader, FRAME_READY, BYTES("ok"));
    frame_reader_free(reader);
}
END_TEST

/* A length of 4 GiB comes without the bytes: no memory may be allocated for them before they come. */
START_TEST(waits_for_the_bytes_of_a_huge_frame)
{
    struct frame_reader *reader = frame_reader_new(ends[0], FRAME_LENGTH_MAX, NULL);
    put(BYTES("\xff\xff\xff\xffx"));
    expect_nothing(reader, FRAME_WAIT);
    close_end(1);
    expect_nothing(reader, FRAME_CUT);
    ck_assert_uint_eq(frame_reader_announced(reader), FRAME_LENGTH_MAX);
    frame_reader_free(reader);
}
END_TEST

/* -- alignment ---------------------------------------------------------------------------------------------------- */

static size_t bulk_offset, asked, asked_about; /* what find_bulk answers, how often it was asked, and about how much */
static unsigned char asked_first;

static size_t find_bulk(const unsigned char *start, size_t length)
{
    asked++;
    asked_about = length;
    asked_first = length > 0 ? start[0] : 0;
    return bulk_offset;
}

START_TEST(aligns_what_is_large)
{
    static const size_t sizes[] = {FRAME_BULK, FRAME_BULK + 1, 1000000};
    bulk_offset = (size_t)_i;
    for (size_t i = 0; i < 3; i++) {
        struct sender sender;
        pthread_t thread;
        struct frame frame = {0};
        asked = 0;
        struct frame_reader *reader = begin_large(sizes[i], sizes[i], find_bulk, &sender, &thread);
        ck_assert_int_eq(wait_for_frame(reader, &frame), FRAME_READY);
        ck_assert_uint_eq(frame.length, sizes[i]);
        ck_assert_mem_eq(frame.bytes, sender.bytes + 4, sizes[i]);
        if (bulk_offset > 0)
            ck_assert_uint_eq(((uintptr_t)frame.bytes + bulk_offset) % FRAME_ALIGNMENT, 0);
        frame_free(&frame);
        ck_assert_ptr_null(frame.allocation);
        expect_later(reader, FRAME_READY, BYTES("ok"));
        ck_assert_uint_eq(asked, 1);
        ck_assert(asked_about > 0 && asked_about <= sizes[i] && asked_first == sender.bytes[4]);
        end_large(reader, &sender, thread);
    }
}
END_TEST

START_TEST(aligns_nothing_else)
{
    struct sender sender;
    pthread_t thread;
    struct frame frame = {0};
    bulk_offset = 7;
    struct frame_reader *reader = begin_large(FRAME_BULK - 1, FRAME_BULK, find_bulk, &sender, &thread);
    expect_later(reader, FRAME_READY, sender.bytes + 4, FRAME_BULK - 1);
    expect_later(reader, FRAME_READY, BYTES("ok"));
    end_large(reader, &sender, thread);
    reader = begin_large(FRAME_BULK, FRAME_BULK - 1, find_bulk, &sender, &thread);
    ck_assert_int_eq(wait_for_frame(reader, &frame), FRAME_REFUSED);
    frame_free(&frame);
    end_large(reader, &sender, thread);
    ck_assert_uint_eq(asked, 0);
}
END_TEST

/* The length came alone: there are no bytes to search yet. */
START_TEST(searches_what_has_come)
{
    struct sender sender = {calloc(1, FRAME_BULK), FRAME_BULK};
    pthread_t thread;
    struct frame_reader *reader = frame_reader_new(ends[0], FRAME_BULK, find_bulk);
    put(BYTES("\0\1\0\0"));
    expect_nothing(reader, FRAME_WAIT);
    ck_assert(asked == 1 && asked_about == 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_all, &sender), 0);
    expect_later(reader, FRAME_READY, sender.bytes, FRAME_BULK);
    end_large(reader, &sender, thread);
}
END_TEST

START_TEST(writes_lengths)
{
    unsigned char header[FRAME_HEADER];
    frame_put_length(header, 0x01020304);
    ck_assert_mem_eq(header, "\1\2\3\4", 4);
}
END_TEST

Suite *frame_suite(void)
{
    Suite *suite = suite_create("frame");
    TCase *tcase = tcase_create("pipe");
    tcase_add_checked_fixture(tcase, open_pipe, close_pipe);
    tcase_add_test(tcase, reads_a_frame);
    tcase_add_loop_test(tcase, reads_a_frame_split_anywhere, 1, 15);
    tcase_add_test(tcase, reads_a_frame_byte_by_byte);
    tcase_add_test(tcase, reads_many_frames_in_one_read);
    tcase_add_test(tcase, reads_empty_frames);
    tcase_add_test(tcase, owns_a_frame_of_the_reserve);
    tcase_add_test(tcase, reads_past_a_frame_over_the_limit);
    tcase_add_loop_test(tcase, reads_large_frames, 0, 7);
    tcase_add_test(tcase, keeps_the_start_of_a_large_refused_frame);
    tcase_add_loop_test(tcase, reports_a_frame_that_is_cut, 1, 9);
    tcase_add_test(tcase, reports_a_refused_frame_that_is_cut);
    tcase_add_test(tcase, reports_a_read_that_failed);
    tcase_add_test(tcase, waits_if_the_descriptor_does_not_block);
    tcase_add_test(tcase, waits_for_the_bytes_of_a_huge_frame);
    tcase_add_loop_test(tcase, aligns_what_is_large, 0, 66);
    tcase_add_test(tcase, aligns_nothing_else);
    tcase_add_test(tcase, searches_what_has_come);
    tcase_add_test(tcase, writes_lengths);
    suite_add_tcase(suite, tcase);
    return suite;
}
