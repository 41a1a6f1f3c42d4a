/* Lists the suites that check_main.c runs, each from the file named for it. */
#ifndef PYTHONX_TESTS_SUITES_H
#define PYTHONX_TESTS_SUITES_H

#include <check.h>

Suite *term_suite(void);
Suite *term_check_suite(void);
Suite *frame_suite(void);
Suite *message_suite(void);
Suite *request_suite(void);
Suite *job_suite(void);
Suite *writer_suite(void);
Suite *options_suite(void);
Suite *interpreter_suite(void);
Suite *decode_suite(void);
Suite *encode_suite(void);
Suite *vectors_suite(void);
Suite *segment_suite(void);
Suite *poller_suite(void);
Suite *tensor_suite(void);
Suite *memory_suite(void);
Suite *session_suite(void);
Suite *session_memory_suite(void);
Suite *session_bulk_suite(void);
Suite *session_control_suite(void);
Suite *session_input_suite(void);
Suite *session_ends_suite(void);
Suite *session_answers_suite(void);
Suite *session_forks_suite(void);
Suite *session_signals_suite(void);
Suite *program_suite(void);
Suite *terms_suite(void);

#endif
