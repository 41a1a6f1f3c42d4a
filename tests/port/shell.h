/* Runs lines of sh for a test, with the output that a user would see. */
#ifndef PYTHONX_TESTS_SHELL_H
#define PYTHONX_TESTS_SHELL_H

/* Makes the test's folder, and sets $FOLDER to it and $PORT to the program. */
void shell_set_up(void);

/* Fails the test unless the line ends with the status and its outputs, both together, contain the part. */
void expect(const char *line, int status, const char *part);

/* Likewise, but its outputs must be the text and nothing else. */
void expect_only(const char *line, int status, const char *text);

#endif
