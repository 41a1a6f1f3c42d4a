/* Lists the suites that faults.c runs, each from the file named for it. */
#ifndef PYTHONX_TESTS_FAULTS_H
#define PYTHONX_TESTS_FAULTS_H

#include <check.h>

Suite *aborts_suite(void);
Suite *ends_suite(void);
Suite *looks_suite(void);
Suite *signals_suite(void);
Suite *streams_suite(void);
Suite *threads_suite(void);
Suite *waits_suite(void);
Suite *thread_streams_suite(void);

#endif
