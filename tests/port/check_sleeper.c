/* What the reader thread sleeps on: when it wakes, and when it does not. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "sleeper.h"
#include "suites.h"

#define MS 1000ULL
#define LONG_TIME (60000 * MS)

static int ends[2];

static void open_on_pipe(void)
{
    bool listens = false;
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert(sleeper_open(ends[0], &listens));
    ck_assert(listens);
}

static void set_in(enum sleeper_timer timer, unsigned long long us)
{
    ck_assert(sleeper_set(timer, clock_us() + us));
}

/* Where nothing else wakes, this does. */
static void expect_nothing(void)
{
    set_in(SLEEPER_ALARM, 30 * MS);
    ck_assert_int_eq(sleeper_wait(), SLEEPER_RANG_ALARM);
    sleeper_heard(SLEEPER_ALARM);
}

START_TEST(rings_at_its_time)
{
    open_on_pipe();
    unsigned long long since = clock_us();
    set_in(SLEEPER_ALARM, 20 * MS);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sleeper_wait(), SLEEPER_RANG_ALARM);
    ck_assert_uint_ge(clock_us() - since, 20 * MS);
    sleeper_heard(SLEEPER_ALARM);
    set_in(SLEEPER_ALARM, LONG_TIME);
    set_in(SLEEPER_TICK, LONG_TIME);
    set_in(SLEEPER_TICK, MS);
    ck_assert_int_eq(sleeper_wait(), SLEEPER_RANG_TICK);
    sleeper_heard(SLEEPER_TICK);
    expect_nothing();
    sleeper_close();
    ck_assert(!sleeper_set(SLEEPER_TICK, 1));
}
END_TEST

START_TEST(listens_as_long_as_it_is_told)
{
    open_on_pipe();
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    expect_nothing();
    sleeper_listen(true);
    ck_assert_int_eq(sleeper_wait(), SLEEPER_INPUT);
    sleeper_listen(false);
    expect_nothing();
    close(ends[1]);
    ck_assert_int_eq(sleeper_wait(), SLEEPER_INPUT); /* a hang-up */
}
END_TEST

START_TEST(listens_to_no_file)
{
    bool listens = true;
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert(sleeper_open(fileno(file), &listens));
    ck_assert(!listens);
    expect_nothing();
    fclose(file);
}
END_TEST

static void *sleep_once(void *event)
{
    *(enum sleeper_event *)event = sleeper_wait();
    return NULL;
}

/* What it is told while it sleeps counts, too. */
START_TEST(wakes_for_what_comes_later)
{
    static const enum sleeper_event expected[] = {SLEEPER_RANG_TICK, SLEEPER_INPUT};
    open_on_pipe();
    set_in(SLEEPER_ALARM, LONG_TIME);
    enum sleeper_event event = SLEEPER_FAILED;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, sleep_once, &event), 0);
    usleep(30 * MS);
    if (_i == 0) {
        set_in(SLEEPER_TICK, MS);
    } else {
        sleeper_listen(true);
        ck_assert_int_eq(write(ends[1], "x", 1), 1);
    }
    pthread_join(thread, NULL);
    ck_assert_int_eq(event, expected[_i]);
}
END_TEST

Suite *sleeper_suite(void)
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
