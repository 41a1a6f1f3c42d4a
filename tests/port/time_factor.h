/* Stretches what tests wait for on machines that are much slower than most, such as emulated ones. */
#ifndef PYTHONX_TESTS_TIME_FACTOR_H
#define PYTHONX_TESTS_TIME_FACTOR_H

/* Returns $PYTHONX_TEST_TIME_FACTOR, or 1 if that is not set: a test that waits for something until a time multiplies
 * the time by it. It must be at least 1; anything else ends the program. */
int time_factor(void);

/* Stretches the timeouts of Check itself, unless $CK_TIMEOUT_MULTIPLIER is set. Must be called before a suite is
 * created. */
void time_factor_apply(void);

#endif
