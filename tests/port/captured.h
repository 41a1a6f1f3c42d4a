/* What a piece of a test writes to stderr, as text. */
#ifndef PYTHONX_TESTS_CAPTURED_H
#define PYTHONX_TESTS_CAPTURED_H

/* From here on stderr goes to a file. */
void capture_begin(void);

/* Back to where it went before; what came meanwhile, to be freed. */
char *capture_end(void);

#endif
