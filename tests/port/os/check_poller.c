/* What the reader thread sleeps on: when it wakes, and when it does not. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/poller.h"
#include "suites.h"

#define MS 1000ULL
#define LONG_TIME (60000 * MS)

static int ends[2];

static void open_on_pipe(void)
{
    bool listens = false;
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert(poller_open(ends[0], &listens));
    ck_assert(listens);
}

static void set_in(enum poller_timer timer, unsigned long long us)
{
    ck_assert(poller_set_timer(timer, clock_us() + us));
}

/* Where nothing else wakes, this does. */
static void expect_nothing(void)
{
    set_in(POLLER_ALARM, 30 * MS);
    ck_assert_int_eq(poller_wait(), POLLER_RANG_ALARM);
    poller_clear_timer(POLLER_ALARM);
}

START_TEST(rings_at_its_time)
{
    open_on_pipe();
    unsigned long long since = clock_us();
    set_in(POLLER_ALARM, 20 * MS);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(poller_wait(), POLLER_RANG_ALARM);
    ck_assert_uint_ge(clock_us() - since, 20 * MS);
    poller_clear_timer(POLLER_ALARM);
    set_in(POLLER_ALARM, LONG_TIME);
    set_in(POLLER_TICK, LONG_TIME);
    set_in(POLLER_TICK, MS);
    ck_assert_int_eq(poller_wait(), POLLER_RANG_TICK);
    poller_clear_timer(POLLER_TICK);
    expect_nothing();
    poller_close();
    ck_assert(!poller_set_timer(POLLER_TICK, 1));
}
END_TEST

START_TEST(listens_as_long_as_it_is_told)
{
    open_on_pipe();
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    expect_nothing();
    poller_watch_input(true);
    ck_assert_int_eq(poller_wait(), POLLER_INPUT);
    poller_watch_input(false);
    expect_nothing();
    close(ends[1]);
    ck_assert_int_eq(poller_wait(), POLLER_INPUT); /* a hang-up */
}
END_TEST

START_TEST(listens_to_no_file)
{
    bool listens = true;
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert(poller_open(fileno(file), &listens));
    ck_assert(!listens);
    expect_nothing();
    fclose(file);
}
END_TEST

static void *sleep_once(void *event)
{
    *(enum poller_event *)event = poller_wait();
    return NULL;
}

/* What it is told while it sleeps counts, too. */
START_TEST(wakes_for_what_comes_later)
{
    static const enum poller_event expected[] = {POLLER_RANG_TICK, POLLER_INPUT};
    open_on_pipe();
    set_in(POLLER_ALARM, LONG_TIME);
    enum poller_event event = POLLER_FAILED;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, sleep_once, &event), 0);
    usleep(30 * MS);
    if (_i == 0) {
        set_in(POLLER_TICK, MS);
    } else {
        poller_watch_input(true);
        ck_assert_int_eq(write(ends[1], "x", 1), 1);
    }
    pthread_join(thread, NULL);
    ck_assert_int_eq(event, expected[_i]);
}
END_TEST

Suite *poller_suite(void)
{
    Suite *suite = suite_create("sleeper");
    TCase *tcase = tcase_create("sleeper");
    tcase_add_test(tcase, rings_at_its_time);
    tcase_add_test(tcase, listens_as_long_as_it_is_told);
    tcase_add_test(tcase, listens_to_no_file);
    tcase_add_loop_test(tcase, wakes_for_what_comes_later, 0, 2);
    tcase_set_timeout(tcase, 30);
    suite_add_tcase(suite, tcase);
    return suite;
}
