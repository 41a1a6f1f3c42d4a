/* Requests in job: order, bounds, verdicts, threads. The tables are the process's own: each test leaves them empty.
 */
#include <check.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/job.h"
#include "suites.h"

/* A job that is known by its argument count. */
static struct job *numbered(size_t number)
{
    struct request request = {.operation = OPERATION_stop, .argument_count = number};
    struct job *job = job_new(&request);
    ck_assert_ptr_nonnull(job);
    return job;
}

/* One whose id is this text, standing where only a term may. */
static struct job *named(const char *id, enum operation operation)
{
    struct request request = {.operation = operation, .id = span_of(id, strlen(id))};
    struct job *job = job_new(&request);
    ck_assert_ptr_nonnull(job);
    return job;
}

static void finish(struct job *job)
{
    job_end(job);
    job_free(job);
}

static size_t take(void)
{
    struct job *job = job_begin_next(NULL);
    ck_assert_ptr_nonnull(job);
    size_t number = job->request.argument_count;
    finish(job);
    return number;
}

START_TEST(keeps_the_order)
{
    ck_assert_ptr_null(job_begin_next(NULL));
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 100; i++)
            job_wait(numbered(i));
        ck_assert_uint_eq(job_totals().waiting, 100);
        for (size_t i = 0; i < 100; i++)
            ck_assert_uint_eq(take(), i);
        ck_assert_ptr_null(job_begin_next(NULL));
        ck_assert(!job_any_waits());
    }
    ck_assert_uint_eq(job_totals().begun, 300);
    ck_assert_uint_eq(job_totals().ended, 300);
}
END_TEST

static bool never(const struct job *job)
{
    (void)job;
    return false;
}

START_TEST(begins_only_what_may)
{
    job_wait(numbered(1));
    ck_assert_ptr_null(job_begin_next(never));
    ck_assert_uint_eq(take(), 1);
}
END_TEST

START_TEST(is_bounded_in_count)
{
    size_t count = 0;
    for (; job_has_room(); count++)
        job_wait(numbered(count));
    ck_assert_uint_ge(count, 1000);
    ck_assert_uint_le(count, 100000);
    job_wait(numbered(count)); /* the bound is not enforced here */
    ck_assert(!job_has_room());
    ck_assert_uint_eq(take(), 0);
    ck_assert_uint_eq(take(), 1);
    ck_assert(job_has_room());
    while (job_any_waits())
        take();
}
END_TEST

/* A request as large as this claims to be, without the memory. */
static void wait_large(size_t size)
{
    struct request request = {.operation = OPERATION_stop, .frame = {NULL, size, NULL}};
    job_wait(job_new(&request));
}

START_TEST(is_bounded_in_bytes)
{
    wait_large((size_t)200 * 1024 * 1024);
    ck_assert(job_has_room());
    wait_large((size_t)200 * 1024 * 1024);
    ck_assert(!job_has_room());
    take();
    ck_assert(job_has_room());
    take();
}
END_TEST

/* However large, one is taken: else it could never be. */
START_TEST(has_room_where_nothing_waits)
{
    ck_assert(job_has_room());
    wait_large(UINT32_MAX);
    ck_assert(!job_has_room());
    take();
    ck_assert(job_has_room());
}
END_TEST

START_TEST(stops_waiting_for_room)
{
    job_wait_room(100000);
    wait_large(UINT32_MAX);
    job_wait_room(1);
    job_wait_room(501);
    ck_assert(!job_has_room());
    take();
}
END_TEST

START_TEST(takes_a_cancelled_one_out)
{
    bool runs = false;
    job_wait(named("a", OPERATION_eval));
    job_wait(named("b", OPERATION_eval));
    ck_assert_ptr_null(job_cancel(span_of("c", 1), &runs));
    ck_assert_ptr_null(job_cancel(span_of("", 0), &runs));
    struct job *cancelled = job_cancel(span_of("b", 1), &runs);
    ck_assert_ptr_nonnull(cancelled);
    ck_assert(!runs);
    ck_assert_int_eq(cancelled->verdict, JOB_CANCELLED);
    finish(cancelled);
    struct job *left = job_begin_next(NULL);
    ck_assert_mem_eq(left->request.id.bytes, "a", 1);
    finish(left);
    ck_assert(!job_any_waits());
}
END_TEST

START_TEST(tells_a_running_one_once)
{
    bool runs = false;
    struct job *job = named("a", OPERATION_eval);
    job_begin(job);
    ck_assert(!job_has_verdict(job) && !job_any_has_verdict());
    ck_assert_ptr_null(job_cancel(span_of("a", 1), &runs));
    ck_assert(runs);
    ck_assert(job_has_verdict(job) && job_any_has_verdict());
    ck_assert_int_eq(job_take_verdict(job), JOB_CANCELLED);
    ck_assert_int_eq(job_take_verdict(job), JOB_GOES_ON);
    ck_assert(!job_has_verdict(job));
    job_untell(job);
    ck_assert_int_eq(job_take_verdict(job), JOB_CANCELLED);
    ck_assert_ptr_null(job_cancel(span_of("a", 1), &runs)); /* again */
    ck_assert_int_eq(job_take_verdict(job), JOB_CANCELLED);
    finish(job);
    runs = false;
    ck_assert_ptr_null(job_cancel(span_of("a", 1), &runs));
    ck_assert(!runs);
}
END_TEST

START_TEST(expires_what_is_late)
{
    bool runs = false;
    struct request request = {.operation = OPERATION_eval, .has_timeout = true, .timeout_ms = 1000};
    struct request copy = request, later = request;
    later.timeout_ms = 5000;
    ck_assert_uint_eq(job_next_deadline(), 0);
    struct job *waits = job_new(&request), *works = job_new(&copy), *last = job_new(&later);
    job_wait(waits);
    job_begin(works);
    job_wait(last);
    ck_assert_uint_eq(job_next_deadline(), waits->deadline_us);
    ck_assert_ptr_null(job_expire(waits->deadline_us - 1, &runs));
    ck_assert(!runs);
    unsigned long long after = works->deadline_us + 1;
    ck_assert_ptr_eq(job_expire(after, &runs), waits);
    ck_assert(runs);
    ck_assert_ptr_null(waits->next);
    ck_assert_int_eq(waits->verdict, JOB_TIMED_OUT);
    ck_assert_int_eq(job_take_verdict(works), JOB_TIMED_OUT);
    ck_assert_uint_eq(job_next_deadline(), last->deadline_us);
    finish(waits);
    finish(works);
    ck_assert_ptr_eq(job_expire(after + 10000000, &runs), last);
    finish(last);
    ck_assert_uint_eq(job_next_deadline(), 0);
}
END_TEST

START_TEST(tells_threads)
{
    bool runs = false;
    enum job_verdict verdict = JOB_GOES_ON;
    struct job *job = named("a", OPERATION_eval);
    job_begin(job);
    job_cancel(span_of("a", 1), &runs);
    ck_assert_uint_eq(job_take_thread_verdict(&verdict), 0);
    job_set_thread(job, 77);
    ck_assert_uint_eq(job_take_thread_verdict(&verdict), 77);
    ck_assert_int_eq(verdict, JOB_CANCELLED);
    ck_assert_uint_eq(job_take_thread_verdict(&verdict), 0);
    finish(job);
}
END_TEST

START_TEST(grants_items_before_and_while_a_stream_runs)
{
    struct job *stream = named("s", OPERATION_stream);
    job_wait(named("e", OPERATION_eval));
    job_wait(stream);
    ck_assert(!job_grant(span_of("e", 1), 5));
    ck_assert(!job_grant(span_of("s", 1), 5));
    take();
    ck_assert_ptr_eq(job_begin_next(NULL), stream);
    ck_assert(job_grant(span_of("s", 1), 2));
    ck_assert_uint_eq(job_granted(stream), 7);
    ck_assert(job_grant(span_of("s", 1), ULLONG_MAX));
    ck_assert_uint_eq(job_granted(stream), ULLONG_MAX);
    finish(stream);
}
END_TEST

static void put_shown(void *argument, struct span id, unsigned long long started_us)
{
    *(size_t *)argument = id.length;
    ck_assert((id.length > 0) == (started_us > 0));
}

START_TEST(shows_what_runs)
{
    size_t length = 99;
    struct job *outer = named("outer", OPERATION_eval), *inner = named("in", OPERATION_eval);
    job_begin(outer);
    job_begin(inner);
    ck_assert_ptr_null(job_show(outer));
    ck_assert_ptr_eq(job_show(inner), outer);
    job_tell_shown(put_shown, &length);
    ck_assert_uint_eq(length, 2);
    finish(inner);
    job_tell_shown(put_shown, &length);
    ck_assert_uint_eq(length, 0);
    finish(outer);
}
END_TEST

#define PASSED ((size_t)100000)

static void *wait_numbers(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < PASSED; i++) {
        while (!job_has_room())
            job_wait_room(10000);
        job_wait(numbered(i));
    }
    return NULL;
}

START_TEST(passes_between_threads)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_numbers, NULL), 0);
    for (size_t i = 0; i < PASSED;) {
        struct job *job = job_begin_next(NULL);
        if (job == NULL)
            continue;
        ck_assert_uint_eq(job->request.argument_count, i);
        finish(job);
        i++;
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(job_totals().waiting, 0);
}
END_TEST

Suite *job_suite(void)
{
    Suite *suite = suite_create("job");
    TCase *tcase = tcase_create("job");
    tcase_add_test(tcase, keeps_the_order);
    tcase_add_test(tcase, begins_only_what_may);
    tcase_add_test(tcase, is_bounded_in_count);
    tcase_add_test(tcase, is_bounded_in_bytes);
    tcase_add_test(tcase, has_room_where_nothing_waits);
    tcase_add_test(tcase, stops_waiting_for_room);
    tcase_add_test(tcase, takes_a_cancelled_one_out);
    tcase_add_test(tcase, tells_a_running_one_once);
    tcase_add_test(tcase, expires_what_is_late);
    tcase_add_test(tcase, tells_threads);
    tcase_add_test(tcase, grants_items_before_and_while_a_stream_runs);
    tcase_add_test(tcase, shows_what_runs);
    tcase_add_test(tcase, passes_between_threads);
    tcase_set_timeout(tcase, 30);
    suite_add_tcase(suite, tcase);
    return suite;
}
