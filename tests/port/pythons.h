/* Lists the interpreters to test with: $PYTHONX_TEST_PYTHONS, joined by colons. */
#ifndef PYTHONX_TESTS_PYTHONS_H
#define PYTHONX_TESTS_PYTHONS_H

int pythons_count(void);

/* Returns the path of one of them, valid until the process ends. */
const char *pythons_path(int index);

#endif
