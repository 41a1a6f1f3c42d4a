/* Tests the life of a job: order, bounds, states, stacks, aborts. The lists are the process's own: each test leaves
 * them empty. */
#include <check.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exec/invoke_table.h"
#include "os/clock.h"
#include "queue/session.h"
#include "suites.h"

static struct job *jobs_delivered[8];
static size_t delivered_count;

static void start(void)
{
    session_init();
    session_lock();
    delivered_count = 0;
}

static void stop(void)
{
    session_unlock();
}

static void note_delivery(struct job *job)
{
    jobs_delivered[delivered_count++] = job;
}

static struct job *new_job(struct request request)
{
    struct job *job = job_new(&request);
    ck_assert_ptr_nonnull(job);
    return job;
}

/* A job that the tests recognize by its argument count. */
static struct job *numbered(size_t number)
{
    return new_job((struct request){.operation = OPERATION_stop, .argument_count = number});
}

/* Makes a job whose id is this text, which is no term. */
static struct job *named(const char *id, enum operation operation)
{
    return new_job((struct request){.operation = operation, .id = span_of(id, strlen(id))});
}

static void finish(struct job *job)
{
    if (job->state != JOB_ENDED)
        job_finish(job);
    job_free(job);
}

static size_t take(void)
{
    struct job *job = job_first();
    ck_assert_ptr_nonnull(job);
    size_t number = job->request.argument_count;
    job_start(job, 0);
    ck_assert_ptr_eq(job_top(), job);
    finish(job);
    return number;
}

static void cancel(const char *id)
{
    job_cancel(span_of(id, strlen(id)), note_delivery);
}

/* -- the queue ---------------------------------------------------------------------------------------------------- */

START_TEST(keeps_the_order)
{
    ck_assert_ptr_null(job_first());
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 100; i++)
            job_enqueue(numbered(i));
        ck_assert_uint_eq(session.jobs.queued.count, 100);
        for (size_t i = 0; i < 100; i++)
            ck_assert_uint_eq(take(), i);
        ck_assert_ptr_null(job_first());
    }
    ck_assert_uint_eq(session.jobs.totals.begun, 300);
    ck_assert_uint_eq(session.jobs.totals.ended, 300);
}
END_TEST

START_TEST(is_bounded_in_count)
{
    size_t count = 0;
    for (; job_has_room(); count++)
        job_enqueue(numbered(count));
    ck_assert_uint_eq(count, JOB_COUNT_MAX);
    job_enqueue(numbered(count)); /* the bound is not enforced here */
    ck_assert(!job_has_room());
    ck_assert_uint_eq(take(), 0);
    ck_assert_uint_eq(take(), 1);
    ck_assert(job_has_room());
    while (job_first() != NULL)
        take();
}
END_TEST

/* Makes a request that claims to be this large, without the memory. */
static void enqueue_large(size_t size)
{
    job_enqueue(new_job((struct request){.operation = OPERATION_stop, .frame = {NULL, size, NULL}}));
}

START_TEST(is_bounded_in_bytes)
{
    enqueue_large((size_t)200 * 1024 * 1024);
    ck_assert(job_has_room());
    enqueue_large((size_t)200 * 1024 * 1024);
    ck_assert(!job_has_room());
    take();
    ck_assert(job_has_room());
    take();
    enqueue_large(UINT32_MAX); /* however large, one is taken: else it could never be */
    ck_assert(!job_has_room());
    take();
    ck_assert(job_has_room());
}
END_TEST

START_TEST(queues_what_was_made_within_a_call_that_is_over)
{
    struct invocation call = {.number = 1}, other = {.number = 2};
    struct job *first = numbered(1), *second = numbered(2), *last = numbered(3);
    job_nest(first, &call);
    job_nest(second, &other);
    job_nest(last, &call);
    ck_assert_ptr_eq(job_first_nested(NULL), first);
    ck_assert_ptr_eq(job_first_nested(&other), second);
    ck_assert(job_requeue_nested(&call));
    ck_assert(!job_requeue_nested(&call));
    ck_assert_ptr_null(first->invocation);
    ck_assert_uint_eq(take(), 1);
    ck_assert_uint_eq(take(), 3);
    ck_assert(job_requeue_nested(&other));
    ck_assert_uint_eq(take(), 2);
}
END_TEST

/* -- stacks ------------------------------------------------------------------------------------------------------- */

START_TEST(stacks_what_runs)
{
    struct job *below = named("below", OPERATION_eval), *above = named("above", OPERATION_eval);
    job_start(below, 0);
    above->foreign = true;
    job_start(above, 0);
    ck_assert_ptr_eq(session.jobs.main_top, above);
    ck_assert(job_is_covered(below) && !job_is_covered(above));
    ck_assert_uint_eq(session.jobs.foreign, 1);
    cancel("below");
    ck_assert_ptr_eq(jobs_delivered[0], below);
    ck_assert(job_abort_waits_below());
    finish(above);
    ck_assert_uint_eq(session.jobs.foreign, 0);
    ck_assert(!job_is_covered(below));
    ck_assert_ptr_eq(job_top(), below);
    finish(below);
    ck_assert_ptr_null(session.jobs.main_top);
}
END_TEST

START_TEST(counts_tasks_that_others_wait_for)
{
    struct job *first = named("a", OPERATION_eval), *nested = named("b", OPERATION_eval);
    struct job *beside = new_job((struct request){.operation = OPERATION_eval, .concurrent = true});
    struct job *tasks[] = {first, nested, beside};
    for (size_t i = 0; i < 3; i++) {
        job_start(tasks[i], 0);
        job_pop(tasks[i]);
        job_move(tasks[i], JOB_TASK);
    }
    ck_assert_uint_eq(session.loop.tasks, 3);
    ck_assert_uint_eq(session.jobs.exclusive, 2);
    finish(nested);
    ck_assert_uint_eq(session.jobs.exclusive, 1);
    finish(beside);
    ck_assert_uint_eq(session.jobs.exclusive, 1);
    finish(first);
    ck_assert_uint_eq(session.jobs.exclusive, 0);
    ck_assert_uint_eq(session.loop.tasks, 0);
}
END_TEST

/* -- aborts ------------------------------------------------------------------------------------------------------- */

static struct job *expect_unbegun(const char *id, enum job_abort abort)
{
    struct job *job = job_take_aborted();
    ck_assert_ptr_nonnull(job);
    ck_assert_mem_eq(job->request.id.bytes, id, strlen(id));
    ck_assert_int_eq(job->abort, abort);
    ck_assert_int_eq(job->state, JOB_ENDED);
    return job;
}

START_TEST(ends_what_is_cancelled_before_it_begins)
{
    struct invocation call = {.number = 1};
    struct job *nested = named("n", OPERATION_eval);
    job_enqueue(named("a", OPERATION_eval));
    job_enqueue(named("b", OPERATION_eval));
    job_nest(nested, &call);
    cancel("c");
    cancel("");
    ck_assert_ptr_null(job_take_aborted());
    cancel("b");
    finish(expect_unbegun("b", JOB_ABORT_CANCELLED));
    cancel("n");
    finish(expect_unbegun("n", JOB_ABORT_CANCELLED));
    ck_assert_ptr_null(job_first_nested(NULL));
    ck_assert_uint_eq(delivered_count, 0);
    ck_assert_uint_eq(session.jobs.totals.begun, 0);
    take();
    ck_assert_ptr_null(job_first());
}
END_TEST

START_TEST(delivers_an_abort_once)
{
    struct job *job = named("a", OPERATION_eval);
    job_start(job, 0);
    ck_assert(!job_abort_is_due(job));
    cancel("a");
    ck_assert_ptr_eq(jobs_delivered[0], job);
    ck_assert(job_abort_is_due(job));
    ck_assert_int_eq(job_take_abort(job), JOB_ABORT_CANCELLED);
    ck_assert_int_eq(job_take_abort(job), JOB_ABORT_NONE);
    ck_assert(!job_abort_is_due(job));
    job_rearm_abort(job);
    ck_assert_int_eq(job_take_abort(job), JOB_ABORT_CANCELLED);
    cancel("a"); /* again */
    ck_assert_int_eq(job_take_abort(job), JOB_ABORT_CANCELLED);
    finish(job);
    cancel("a");
    ck_assert_uint_eq(delivered_count, 2);
}
END_TEST

START_TEST(delivers_again_what_could_not_be_delivered)
{
    struct job *job = named("a", OPERATION_eval);
    job_start(job, 0);
    cancel("a");
    job_retry_abort(job);
    unsigned long long first = job->retry_us;
    ck_assert_uint_eq(session.jobs.next_event, first);
    job_expire(first - 1, note_delivery);
    ck_assert_uint_eq(delivered_count, 1);
    job_expire(first, note_delivery);
    ck_assert_uint_eq(delivered_count, 2);
    ck_assert_uint_eq(job->retry_us, 0);
    job_retry_abort(job);
    ck_assert_int_eq(job_take_abort(job), JOB_ABORT_CANCELLED);
    job_expire(first + 10000000, note_delivery);
    ck_assert_uint_eq(delivered_count, 2);
    finish(job);
}
END_TEST

static struct job *timed(unsigned long long timeout_ms, const char *id)
{
    return new_job((struct request){
        .operation = OPERATION_eval, .id = span_of(id, strlen(id)), .has_timeout = true, .timeout_ms = timeout_ms});
}

START_TEST(expires_what_is_overdue)
{
    struct invocation call = {.number = 1};
    struct job *waits = timed(1000, "w"), *nested = timed(1000, "n"), *works = timed(1000, "x"),
               *last = timed(5000, "l");
    ck_assert_uint_eq(session.jobs.next_event, 0);
    job_enqueue(waits);
    job_nest(nested, &call);
    job_start(works, 0);
    job_enqueue(last);
    ck_assert_uint_eq(session.jobs.next_event, waits->deadline_us);
    job_expire(waits->deadline_us - 1, note_delivery);
    ck_assert_ptr_null(job_take_aborted());
    job_expire(works->deadline_us + 1000, note_delivery);
    ck_assert_ptr_eq(jobs_delivered[0], works);
    finish(expect_unbegun("n", JOB_ABORT_TIMED_OUT));
    finish(expect_unbegun("w", JOB_ABORT_TIMED_OUT));
    ck_assert_int_eq(job_take_abort(works), JOB_ABORT_TIMED_OUT);
    ck_assert_uint_eq(session.jobs.next_event, last->deadline_us);
    finish(works);
    job_expire(last->deadline_us + 10000000, note_delivery);
    finish(expect_unbegun("l", JOB_ABORT_TIMED_OUT));
    ck_assert_uint_eq(session.jobs.next_event, 0);
}
END_TEST

START_TEST(refuses_all_that_has_not_begun)
{
    struct invocation call = {.number = 1};
    struct job *nested = named("n", OPERATION_eval);
    job_enqueue(named("a", OPERATION_eval));
    job_nest(nested, &call);
    ck_assert(job_refuse_queued("why"));
    ck_assert(!job_refuse_queued("why"));
    struct job *first = expect_unbegun("n", JOB_ABORT_NONE);
    ck_assert_str_eq(first->refusal, "why");
    finish(first);
    finish(expect_unbegun("a", JOB_ABORT_NONE));
}
END_TEST

START_TEST(grants_items_before_and_while_a_stream_runs)
{
    struct job *stream = named("s", OPERATION_stream);
    job_enqueue(named("e", OPERATION_eval));
    job_enqueue(stream);
    ck_assert_ptr_null(job_grant(span_of("e", 1), 5));
    ck_assert_ptr_eq(job_grant(span_of("s", 1), 5), stream);
    take();
    job_start(stream, 0);
    ck_assert_ptr_eq(job_grant(span_of("s", 1), 2), stream);
    ck_assert_uint_eq(stream->granted, 7);
    job_pop(stream);
    job_move(stream, JOB_STREAM);
    ck_assert_ptr_eq(job_grant(span_of("s", 1), ULLONG_MAX), stream);
    ck_assert_uint_eq(stream->granted, ULLONG_MAX);
    finish(stream);
    ck_assert_ptr_null(job_grant(span_of("s", 1), 1));
}
END_TEST

/* -- threads ------------------------------------------------------------------------------------------------------ */

#define PASSED ((size_t)100000)

static void *enqueue_numbers(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < PASSED; i++) {
        session_lock();
        while (!job_has_room())
            ranked_lock_wait(&session.lock, &session.room, 0);
        job_enqueue(numbered(i));
        session_unlock();
    }
    return NULL;
}

START_TEST(passes_between_threads)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, enqueue_numbers, NULL), 0);
    for (size_t i = 0; i < PASSED;) {
        if (job_first() != NULL)
            ck_assert_uint_eq(take(), i++);
        session_unlock();
        session_lock();
    }
    session_unlock();
    pthread_join(thread, NULL);
    session_lock();
    ck_assert_uint_eq(session.jobs.queued.count, 0);
}
END_TEST

/* The thread's stack is its own. */
static void *run_on_thread(void *argument)
{
    struct job *job = argument;
    ck_assert_ptr_null(job_top());
    session_lock();
    job_start(job, 77);
    ck_assert_int_eq(job->state, JOB_ON_THREAD);
    ck_assert_ptr_eq(job_top(), job);
    job_pop(job);
    session_unlock();
    return NULL;
}

START_TEST(keeps_a_stack_for_each_thread)
{
    pthread_t thread;
    struct invocation call = {.number = 1};
    struct job *here = named("h", OPERATION_eval), *there = named("t", OPERATION_eval);
    job_start(here, 0);
    job_nest(there, &call);
    session_unlock();
    ck_assert_int_eq(pthread_create(&thread, NULL, run_on_thread, there), 0);
    pthread_join(thread, NULL);
    session_lock();
    ck_assert_ptr_eq(job_top(), here);
    ck_assert_ptr_eq(session.jobs.main_top, here);
    ck_assert(!job_is_covered(here));
    finish(there);
    finish(here);
}
END_TEST

Suite *job_suite(void)
{
    Suite *suite = suite_create("job");
    TCase *tcase = tcase_create("job");
    tcase_add_checked_fixture(tcase, start, stop);
    tcase_add_test(tcase, keeps_the_order);
    tcase_add_test(tcase, is_bounded_in_count);
    tcase_add_test(tcase, is_bounded_in_bytes);
    tcase_add_test(tcase, queues_what_was_made_within_a_call_that_is_over);
    tcase_add_test(tcase, stacks_what_runs);
    tcase_add_test(tcase, counts_tasks_that_others_wait_for);
    tcase_add_test(tcase, ends_what_is_cancelled_before_it_begins);
    tcase_add_test(tcase, delivers_an_abort_once);
    tcase_add_test(tcase, delivers_again_what_could_not_be_delivered);
    tcase_add_test(tcase, expires_what_is_overdue);
    tcase_add_test(tcase, refuses_all_that_has_not_begun);
    tcase_add_test(tcase, grants_items_before_and_while_a_stream_runs);
    tcase_add_test(tcase, passes_between_threads);
    tcase_add_test(tcase, keeps_a_stack_for_each_thread);
    tcase_set_timeout(tcase, 30);
    suite_add_tcase(suite, tcase);
    return suite;
}
