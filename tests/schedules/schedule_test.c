/* Tests schedule points themselves, in a process forked for each test: held, released, refused, and left by a child. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "os/schedule.h"
#include "schedule_control.h"

static struct schedule_control *control;
static atomic_int passed;

static void set_up(void)
{
    control = schedule_control_new();
    putenv(strdup(schedule_control_variable(control)));
    SCHEDULE_POINT(loop_woken); /* connects */
}

static void tear_down(void)
{
    if (control != NULL)
        schedule_control_free(control);
}

static void *pass_point(void *unused)
{
    (void)unused;
    SCHEDULE_POINT(reader_queued);
    atomic_fetch_add(&passed, 1);
    return NULL;
}

static pthread_t start_passing(void)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, pass_point, NULL), 0);
    return thread;
}

START_TEST(holds_every_thread_until_release)
{
    schedule_hold(control, "reader_queued");
    pthread_t first = start_passing(), second = start_passing();
    schedule_wait_reached(control, "reader_queued");
    schedule_wait_reached(control, "reader_queued");
    ck_assert_int_eq(atomic_load(&passed), 0);
    schedule_release(control, "reader_queued");
    pthread_join(first, NULL);
    pthread_join(second, NULL);
    pass_point(NULL);
    ck_assert_int_eq(atomic_load(&passed), 3);
}
END_TEST

START_TEST(holds_the_next_thread_alone)
{
    schedule_hold_once(control, "reader_queued");
    pthread_t first = start_passing();
    schedule_wait_reached(control, "reader_queued");
    pass_point(NULL);
    ck_assert_int_eq(atomic_load(&passed), 1);
    schedule_release(control, "reader_queued");
    pthread_join(first, NULL);
    ck_assert_int_eq(atomic_load(&passed), 2);
}
END_TEST

START_TEST(a_closed_connection_releases_all)
{
    schedule_hold(control, "reader_queued");
    pthread_t first = start_passing();
    schedule_wait_reached(control, "reader_queued");
    schedule_control_free(control);
    control = NULL;
    pthread_join(first, NULL);
    pass_point(NULL);
    ck_assert_int_eq(atomic_load(&passed), 2);
}
END_TEST

START_TEST(a_forked_child_passes)
{
    int status;
    schedule_hold(control, "reader_queued");
    pid_t child = fork();
    if (child == 0) {
        pass_point(NULL);
        _exit(atomic_load(&passed));
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}
END_TEST

START_TEST(an_unknown_name_fails_the_test)
{
    schedule_hold(control, "reader_qeued");
}
END_TEST

START_TEST(a_seed_delays_at_random)
{
    struct timespec begin, end;
    setenv("PYTHONX_SCHEDULE_SEED", "7", 1);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < 640; i++)
        SCHEDULE_POINT(main_before_read);
    clock_gettime(CLOCK_MONOTONIC, &end);
    /* Some twenty sleeps of a millisecond each. */
    ck_assert_int_ge((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schedule");
    TCase *points = tcase_create("points");
    tcase_add_checked_fixture(points, set_up, tear_down);
    tcase_add_test(points, holds_every_thread_until_release);
    tcase_add_test(points, holds_the_next_thread_alone);
    tcase_add_test(points, a_closed_connection_releases_all);
    tcase_add_test(points, a_forked_child_passes);
    tcase_add_exit_test(points, an_unknown_name_fails_the_test, 1);
    suite_add_tcase(suite, points);
    TCase *seed = tcase_create("seed");
    tcase_add_test(seed, a_seed_delays_at_random);
    suite_add_tcase(suite, seed);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
