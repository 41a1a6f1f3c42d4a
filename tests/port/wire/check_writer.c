/* Tests frames into a pipe that takes them slowly, or not at all. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "bytes.h"
#include "suites.h"
#include "wire/frame.h"
#include "wire/writer.h"

static int ends[2]; /* of the pipe: [1] the writer's */

/* The smallest pipe that there is: each larger message is written in many pieces. */
static void open_pipe(void)
{
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
    signal(SIGPIPE, SIG_IGN);
}

static void close_pipe(void)
{
    close(ends[0]);
    close(ends[1]);
}

static void release_nothing(void *owner)
{
    (void)owner;
}

/* A list of binaries, every other one pinned, all filled with `fill`. */
static void build(struct message *message, int count, size_t size, char fill)
{
    static char bytes[26][100000];
    char *filled = bytes[fill - 'a'];
    memset(filled, fill, size);
    message_begin(message);
    message_put_list(message, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        if (i % 2 == 0)
            message_put_binary(message, filled, size);
        else
            ck_assert(message_pin_binary(message, filled, size, release_nothing, NULL));
    }
    message_put_nil_list(message);
    ck_assert_int_eq(message_finish(message), MESSAGE_OK);
}

static void read_exactly(unsigned char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t count = read(ends[0], bytes + done, length - done);
        ck_assert_int_gt(count, 0);
        done += (size_t)count;
    }
}

/* Reads one frame that build() made, whichever it was; returns its fill. */
static char read_built(int count, size_t size)
{
    size_t length = 1 + 5 + (size_t)count * (5 + size) + 1;
    unsigned char *bytes = malloc(FRAME_HEADER + length), header[FRAME_HEADER];
    read_exactly(bytes, FRAME_HEADER + length);
    frame_put_length(header, length);
    ck_assert_mem_eq(bytes, header, FRAME_HEADER);
    char fill = (char)bytes[FRAME_HEADER + 1 + 5 + 5], *filled = malloc(size);
    memset(filled, fill, size);
    for (int i = 0; i < count; i++) {
        const unsigned char *binary = bytes + FRAME_HEADER + 1 + 5 + (size_t)i * (5 + size);
        ck_assert_uint_eq(binary[0], 109);
        ck_assert_mem_eq(binary + 5, filled, size);
    }
    ck_assert_uint_eq(bytes[FRAME_HEADER + length - 1], 106);
    free(filled);
    free(bytes);
    return fill;
}

struct sender {
    struct writer *writer;
    const struct message *message;
    int times;
    bool sent; /* each time */
};

static void *send_message(void *argument)
{
    struct sender *sender = argument;
    sender->sent = true;
    for (int i = 0; i < sender->times; i++)
        sender->sent = writer_send(sender->writer, sender->message) && sender->sent;
    return NULL;
}

static void send_and_read(int count, size_t size)
{
    struct message message = {0};
    struct writer *writer = writer_new(ends[1]);
    build(&message, count, size, 'q');
    struct sender sender = {.writer = writer, .message = &message, .times = 1};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, send_message, &sender), 0);
    ck_assert_int_eq(read_built(count, size), 'q');
    pthread_join(thread, NULL);
    ck_assert(sender.sent);
    ck_assert_uint_eq(writer_bytes(writer), FRAME_HEADER + 7 + (size_t)count * (5 + size));
    message_free(&message);
}

START_TEST(writes_a_small_message)
{
    send_and_read(1, 10);
}
END_TEST

START_TEST(writes_a_large_message_in_pieces)
{
    send_and_read(7, 100000);
}
END_TEST

/* More pieces than one writev takes. */
START_TEST(writes_many_pins)
{
    send_and_read(500, 300);
}
END_TEST

START_TEST(writes_empty_pins)
{
    struct message message = {0};
    struct writer *writer = writer_new(ends[1]);
    unsigned char bytes[22];
    message_begin(&message);
    message_put_tuple(&message, 2);
    ck_assert(message_pin_binary(&message, "", 0, release_nothing, NULL));
    ck_assert(message_pin_binary(&message, "abc", 3, release_nothing, NULL));
    ck_assert_int_eq(message_finish(&message), MESSAGE_OK);
    ck_assert(writer_send(writer, &message));
    read_exactly(bytes, 20);
    ck_assert_mem_eq(bytes,
                     "\0\0\0\x10\x83\x68\x02\x6d\0\0\0\0\x6d\0\0\0\3"
                     "abc",
                     20);
    message_free(&message);
}
END_TEST

START_TEST(waits_if_the_descriptor_does_not_block)
{
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    send_and_read(7, 100000);
}
END_TEST

#define SENDERS 4
#define EACH 25

START_TEST(keeps_frames_of_threads_apart)
{
    struct message messages[SENDERS] = {0};
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    int seen[SENDERS] = {0};
    struct writer *writer = writer_new(ends[1]);
    for (int i = 0; i < SENDERS; i++) {
        build(&messages[i], 4, 3000, (char)('a' + i));
        senders[i] = (struct sender){.writer = writer, .message = &messages[i], .times = EACH};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_message, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS * EACH; i++)
        seen[read_built(4, 3000) - 'a']++;
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert(senders[i].sent);
        ck_assert_int_eq(seen[i], EACH);
        message_free(&messages[i]);
    }
}
END_TEST

START_TEST(reports_that_there_is_no_reader)
{
    struct message message = {0};
    struct writer *writer = writer_new(ends[1]);
    build(&message, 1, 10, 'x');
    ck_assert(writer_send(writer, &message));
    ck_assert(!writer_is_broken(writer));
    close(ends[0]);
    ck_assert(!writer_send(writer, &message));
    ck_assert(writer_is_broken(writer));
    ck_assert(!writer_send(writer, &message));
    message_free(&message);
    ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}
END_TEST

/* In their order, behind the first; pins are copied, since their owners may change them meanwhile. */
START_TEST(holds_messages_until_the_first)
{
    struct message message = {0};
    unsigned char *all = NULL;
    size_t length = 0;
    struct writer *writer = writer_new(ends[1]);
    writer_hold(writer);
    static const char order[] = "cab";
    for (size_t i = 0; i < 3; i++) {
        build(&message, 4, 100, order[i]);
        if (i < 2)
            ck_assert(writer_send(writer, &message));
        else
            ck_assert(writer_begin(writer, &message));
        length = message.length + 2 * 100;
        message_free(&message);
        message = (struct message){0};
    }
    build(&message, 4, 100, 'd');
    ck_assert(writer_send(writer, &message));
    all = malloc(4 * length);
    read_exactly(all, 4 * length);
    for (size_t i = 0; i < 4; i++)
        ck_assert_msg(all[i * length + length - 10] == "bcad"[i], "frame %zu is of %c", i,
                      all[i * length + length - 10]);
    ck_assert_uint_eq(writer_bytes(writer), 4 * length);
    message_free(&message);
    free(all);
}
END_TEST

/* What is beyond the bound is lost, and no more than that. */
START_TEST(holds_up_to_a_bound)
{
    struct message message = {0};
    struct writer *writer = writer_new(ends[1]);
    writer_hold(writer);
    build(&message, 20, 100000, 'x');
    int held = 0;
    while (held < 100 && writer_send(writer, &message))
        held++;
    ck_assert_int_ge(held, 8);
    ck_assert_int_lt(held, 9);
    ck_assert(!writer_is_broken(writer));
    message_free(&message);
}
END_TEST

/* The reader goes while a write waits for it. */
START_TEST(reports_that_the_reader_left)
{
    struct message message = {0};
    unsigned char some[100];
    struct writer *writer = writer_new(ends[1]);
    build(&message, 7, 100000, 'x');
    struct sender sender = {.writer = writer, .message = &message, .times = 2};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, send_message, &sender), 0);
    read_exactly(some, sizeof some);
    close(ends[0]);
    pthread_join(thread, NULL);
    ck_assert(!sender.sent);
    ck_assert(writer_is_broken(writer));
    message_free(&message);
    ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}
END_TEST

Suite *writer_suite(void)
{
    Suite *suite = suite_create("writer");
    TCase *tcase = tcase_create("pipe");
    tcase_add_checked_fixture(tcase, open_pipe, close_pipe);
    tcase_add_test(tcase, writes_a_small_message);
    tcase_add_test(tcase, writes_a_large_message_in_pieces);
    tcase_add_test(tcase, writes_many_pins);
    tcase_add_test(tcase, writes_empty_pins);
    tcase_add_test(tcase, waits_if_the_descriptor_does_not_block);
    tcase_add_test(tcase, keeps_frames_of_threads_apart);
    tcase_add_test(tcase, reports_that_there_is_no_reader);
    tcase_add_test(tcase, reports_that_the_reader_left);
    tcase_add_test(tcase, holds_messages_until_the_first);
    tcase_add_test(tcase, holds_up_to_a_bound);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
