/* Runs all suites; the exit status is 0 if every check held. CK_RUN_SUITE=name runs one of them, --list prints their
 * names. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suites.h"
#include "time_factor.h"

static const struct {
    const char *name;
    Suite *(*create)(void);
} suites[] = {
#define SUITE_ROW(name) {#name, name##_suite},
    SUITES(SUITE_ROW)
#undef SUITE_ROW
};
#define SUITE_COUNT (sizeof suites / sizeof *suites)

static int list(void)
{
    for (size_t i = 0; i < SUITE_COUNT; i++)
        puts(suites[i].name);
    return EXIT_SUCCESS;
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "--list") == 0)
        return list();
    time_factor_apply();
    /* Under nohup(1) it is ignored, also by the children on terminals that end by it. */
    signal(SIGHUP, SIG_DFL);
    SRunner *runner = srunner_create(NULL);
    for (size_t i = 0; i < SUITE_COUNT; i++)
        srunner_add_suite(runner, suites[i].create());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
