/* Tests when the reader thread wakes, and when it does not. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "os/poller.h"
#include "suites.h"

static int ends[2];

static void open_on_pipe(void)
{
    bool watchable = false;
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert(poller_open(ends[0], &watchable));
    ck_assert(watchable);
}

static void expect_nothing(void)
{
    ck_assert_int_eq(poller_wait(20), POLLER_TIMEOUT);
}

START_TEST(wakes_once_for_each_notification)
{
    open_on_pipe();
    expect_nothing();
    poller_notify();
    poller_notify();
    ck_assert_int_eq(poller_wait(-1), POLLER_NOTIFIED);
    expect_nothing();
    poller_close();
}
END_TEST

START_TEST(watches_the_input_as_long_as_it_should)
{
    open_on_pipe();
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    expect_nothing();
    poller_watch_input(true);
    ck_assert_int_eq(poller_wait(-1), POLLER_INPUT);
    ck_assert_int_eq(poller_wait(-1), POLLER_INPUT);
    poller_watch_input(false);
    expect_nothing();
    close(ends[1]);
    ck_assert_int_eq(poller_wait(-1), POLLER_INPUT); /* a hang-up */
    poller_forget_input();
    expect_nothing();
    poller_notify();
    ck_assert_int_eq(poller_wait(-1), POLLER_NOTIFIED);
}
END_TEST

START_TEST(watches_no_file)
{
    bool watchable = true;
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert(poller_open(fileno(file), &watchable));
    ck_assert(!watchable);
    expect_nothing();
    poller_notify();
    ck_assert_int_eq(poller_wait(-1), POLLER_NOTIFIED);
    fclose(file);
}
END_TEST

static void *wait_once(void *event)
{
    *(enum poller_event *)event = poller_wait(-1);
    return NULL;
}

/* Notifications that come while it sleeps count, too; and one that came just before. */
START_TEST(wakes_for_what_comes_later)
{
    open_on_pipe();
    enum poller_event event = POLLER_FAILED;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_once, &event), 0);
    if (_i & 1)
        usleep(20000);
    if (_i < 2) {
        poller_notify();
    } else {
        poller_watch_input(true);
        ck_assert_int_eq(write(ends[1], "x", 1), 1);
    }
    pthread_join(thread, NULL);
    ck_assert_int_eq(event, _i < 2 ? POLLER_NOTIFIED : POLLER_INPUT);
}
END_TEST

Suite *poller_suite(void)
{
    Suite *suite = suite_create("poller");
    TCase *tcase = tcase_create("poller");
    tcase_add_test(tcase, wakes_once_for_each_notification);
    tcase_add_test(tcase, watches_the_input_as_long_as_it_should);
    tcase_add_test(tcase, watches_no_file);
    tcase_add_loop_test(tcase, wakes_for_what_comes_later, 0, 4);
    tcase_set_timeout(tcase, 30);
    suite_add_tcase(suite, tcase);
    return suite;
}
