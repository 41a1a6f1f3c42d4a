/* Reads the factor from the environment. */
#include "time_factor.h"

#include <stdio.h>
#include <stdlib.h>

int time_factor(void)
{
    const char *text = getenv("PYTHONX_TEST_TIME_FACTOR");
    if (text == NULL || *text == '\0')
        return 1;
    char *end;
    long factor = strtol(text, &end, 10);
    if (*end == '\0' && factor >= 1 && factor <= 1000)
        return (int)factor;
    fprintf(stderr, "PYTHONX_TEST_TIME_FACTOR is no number from 1 to 1000: %s\n", text);
    exit(EXIT_FAILURE);
}

void time_factor_apply(void)
{
    char text[16];
    snprintf(text, sizeof text, "%d", time_factor());
    setenv("CK_TIMEOUT_MULTIPLIER", text, 0);
}
