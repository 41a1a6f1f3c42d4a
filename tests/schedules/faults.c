/* Drives the interleavings that once lost replies, ended sessions or hit the wrong request, each on purpose.
 * CK_RUN_SUITE=name runs one suite, CK_RUN_CASE=name one case. */
#include <stdlib.h>

#include "faults.h"

int main(void)
{
    static Suite *(*const suites[])(void) = {waits_suite,  signals_suite,        threads_suite, streams_suite,
                                             aborts_suite, thread_streams_suite, ends_suite,    looks_suite};
    SRunner *runner = srunner_create(NULL);
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        srunner_add_suite(runner, suites[i]());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
