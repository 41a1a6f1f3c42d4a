/* Captures what a piece of a test writes to stderr, as text. */
#ifndef PYTHONX_TESTS_CAPTURED_H
#define PYTHONX_TESTS_CAPTURED_H

/* From here on stderr goes to a file. */
void capture_begin(void);

/* Ends the capture. Returns the text, which the caller must free. */
char *capture_end(void);

#endif
