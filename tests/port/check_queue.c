/* The queue of requests: order, bounds, threads. */
#include <check.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "queue.h"
#include "suites.h"

/* A request that is known by its argument count; its frame, if any, is the queue's. */
static struct request numbered(size_t number)
{
    return (struct request){.operation = OPERATION_stop, .argument_count = number};
}

static void put(struct queue *queue, size_t number)
{
    struct request request = numbered(number);
    ck_assert(queue_put(queue, &request));
}

static size_t take(struct queue *queue)
{
    struct request request;
    ck_assert(queue_take(queue, &request));
    size_t number = request.argument_count;
    request_free(&request);
    return number;
}

START_TEST(keeps_the_order)
{
    struct queue *queue = queue_new();
    struct request request;
    ck_assert(!queue_take(queue, &request));
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 100; i++)
            put(queue, i);
        ck_assert_uint_eq(queue_length(queue), 100);
        for (size_t i = 0; i < 100; i++)
            ck_assert_uint_eq(take(queue), i);
        ck_assert(!queue_take(queue, &request));
        ck_assert_uint_eq(queue_length(queue), 0);
    }
    queue_free(queue);
}
END_TEST

START_TEST(is_bounded_in_count)
{
    struct queue *queue = queue_new();
    size_t count = 0;
    for (; queue_has_room(queue); count++)
        put(queue, count);
    ck_assert_uint_ge(count, 1000);
    ck_assert_uint_le(count, 100000);
    put(queue, count); /* the bound is not enforced here */
    ck_assert(!queue_has_room(queue));
    ck_assert_uint_eq(take(queue), 0);
    ck_assert_uint_eq(take(queue), 1);
    ck_assert(queue_has_room(queue));
    queue_free(queue);
}
END_TEST

/* A request as large as this claims to be, without the memory. */
static void put_large(struct queue *queue, size_t size)
{
    struct request request = {.operation = OPERATION_stop, .frame = {NULL, size}};
    ck_assert(queue_put(queue, &request));
}

START_TEST(is_bounded_in_bytes)
{
    struct queue *queue = queue_new();
    put_large(queue, (size_t)200 * 1024 * 1024);
    ck_assert(queue_has_room(queue));
    put_large(queue, (size_t)200 * 1024 * 1024);
    ck_assert(!queue_has_room(queue));
    take(queue);
    ck_assert(queue_has_room(queue));
    queue_free(queue);
}
END_TEST

/* However large, one is taken: else it could never be. */
START_TEST(has_room_where_it_is_empty)
{
    struct queue *queue = queue_new();
    ck_assert(queue_has_room(queue));
    put_large(queue, UINT32_MAX);
    ck_assert(!queue_has_room(queue));
    take(queue);
    ck_assert(queue_has_room(queue));
    queue_free(queue);
}
END_TEST

START_TEST(frees_what_waits)
{
    struct queue *queue = queue_new();
    for (int i = 0; i < 10; i++) {
        void *bytes = malloc(100);
        struct request request = {.operation = OPERATION_stop, .frame = {bytes, 100, bytes}};
        ck_assert(queue_put(queue, &request));
    }
    queue_free(queue);
    queue_free(NULL);
}
END_TEST

START_TEST(stops_waiting_for_room)
{
    struct queue *queue = queue_new();
    queue_wait_room(queue, 100000);
    put_large(queue, UINT32_MAX);
    queue_wait_room(queue, 1);
    queue_wait_room(queue, 501);
    ck_assert(!queue_has_room(queue));
    queue_free(queue);
}
END_TEST

#define PASSED ((size_t)100000)

static void *put_numbers(void *argument)
{
    struct queue *queue = argument;
    for (size_t i = 0; i < PASSED; i++) {
        struct request request = numbered(i);
        while (!queue_has_room(queue))
            queue_wait_room(queue, 10000);
        if (!queue_put(queue, &request))
            return NULL;
    }
    return queue;
}

START_TEST(passes_between_threads)
{
    struct queue *queue = queue_new();
    pthread_t thread;
    void *result;
    ck_assert_int_eq(pthread_create(&thread, NULL, put_numbers, queue), 0);
    for (size_t i = 0; i < PASSED;) {
        struct request request;
        if (!queue_take(queue, &request))
            continue;
        ck_assert_uint_eq(request.argument_count, i);
        i++;
    }
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, queue);
    ck_assert_uint_eq(queue_length(queue), 0);
    queue_free(queue);
}
END_TEST

Suite *queue_suite(void)
{
    Suite *suite = suite_create("queue");
    TCase *tcase = tcase_create("queue");
    tcase_add_test(tcase, keeps_the_order);
    tcase_add_test(tcase, is_bounded_in_count);
    tcase_add_test(tcase, is_bounded_in_bytes);
    tcase_add_test(tcase, has_room_where_it_is_empty);
    tcase_add_test(tcase, frees_what_waits);
    tcase_add_test(tcase, stops_waiting_for_room);
    tcase_add_test(tcase, passes_between_threads);
    tcase_set_timeout(tcase, 30);
    suite_add_tcase(suite, tcase);
    return suite;
}
