/* Runs all suites; the exit status is 0 if every check held. CK_RUN_SUITE=name runs one of them. */
#include <stdlib.h>

#include "suites.h"

int main(void)
{
    static Suite *(*const suites[])(void) = {
        term_suite,
        frame_suite,
        message_suite,
        request_suite,
        job_suite,
        writer_suite,
        decode_suite,
        encode_suite,
        options_suite,
        interpreter_suite,
        vectors_suite,
        session_suite,
        session_input_suite,
        session_ends_suite,
        program_suite,
        terms_suite,
        segment_suite,
        poller_suite,
        tensor_suite,
        session_bulk_suite,
        session_control_suite,
        memory_suite,
        term_check_suite,
        session_memory_suite,
        session_signals_suite,
        session_forks_suite,
        session_answers_suite,
    };
    SRunner *runner = srunner_create(NULL);
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        srunner_add_suite(runner, suites[i]());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
