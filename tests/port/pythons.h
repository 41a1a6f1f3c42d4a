/* The interpreters to test with: $PYTHONX_TEST_PYTHONS, joined by colons. */
#ifndef PYTHONX_TESTS_PYTHONS_H
#define PYTHONX_TESTS_PYTHONS_H

int pythons_count(void);

/* The path of one of them; it lives for good. */
const char *pythons_path(int index);

#endif
