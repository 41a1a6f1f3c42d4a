/* Lists the suites that check_main.c runs, each from the file named for it; those that take longest come first, as they
 * run side by side. */
#ifndef PYTHONX_TESTS_SUITES_H
#define PYTHONX_TESTS_SUITES_H

#include <check.h>

#define SUITES(SUITE)                                                                                                  \
    SUITE(session_control)                                                                                             \
    SUITE(session_ends)                                                                                                \
    SUITE(session_bulk)                                                                                                \
    SUITE(session)                                                                                                     \
    SUITE(program)                                                                                                     \
    SUITE(hosts)                                                                                                       \
    SUITE(session_input)                                                                                               \
    SUITE(session_signals)                                                                                             \
    SUITE(session_children)                                                                                            \
    SUITE(session_forks)                                                                                               \
    SUITE(session_memory)                                                                                              \
    SUITE(session_bindings)                                                                                            \
    SUITE(session_captured)                                                                                            \
    SUITE(session_context)                                                                                             \
    SUITE(session_answers)                                                                                             \
    SUITE(session_limits)                                                                                              \
    SUITE(session_results)                                                                                             \
    SUITE(session_versions)                                                                                            \
    SUITE(terms)                                                                                                       \
    SUITE(vectors)                                                                                                     \
    SUITE(decode)                                                                                                      \
    SUITE(encode)                                                                                                      \
    SUITE(tensor)                                                                                                      \
    SUITE(memory)                                                                                                      \
    SUITE(segment)                                                                                                     \
    SUITE(huge_pages)                                                                                                  \
    SUITE(poller)                                                                                                      \
    SUITE(term)                                                                                                        \
    SUITE(term_check)                                                                                                  \
    SUITE(frame)                                                                                                       \
    SUITE(message)                                                                                                     \
    SUITE(request)                                                                                                     \
    SUITE(job)                                                                                                         \
    SUITE(writer)                                                                                                      \
    SUITE(children)                                                                                                    \
    SUITE(host)                                                                                                        \
    SUITE(options)                                                                                                     \
    SUITE(interpreter)

/* Adds a test, unless $PYTHONX_TEST_LEFT_OUT names it: that lists names, one a line, of what cannot work on a machine.
 * The suites use Check's names for it. */
void suites_add_test(TCase *tcase, const TTest *test, int start, int end);
#undef tcase_add_test
#undef tcase_add_loop_test
#define tcase_add_test(tcase, test) suites_add_test(tcase, test, 0, 1)
#define tcase_add_loop_test(tcase, test, start, end) suites_add_test(tcase, test, start, end)

#define SUITE_DECLARE(name) Suite *name##_suite(void);
SUITES(SUITE_DECLARE)
#undef SUITE_DECLARE

#endif
