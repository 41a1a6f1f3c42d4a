/* Adds tests to suites by Check's own function, which Check's macros call. */
#include "suites.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_left_out(const char *name)
{
    const char *line = getenv("PYTHONX_TEST_LEFT_OUT");
    size_t length = strlen(name);
    while (line != NULL) {
        if (strncmp(line, name, length) == 0 && (line[length] == '\n' || line[length] == '\0'))
            return true;
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return false;
}

void suites_add_test(TCase *tcase, const TTest *test, int start, int end)
{
    if (!is_left_out(test->name))
        _tcase_add_test(tcase, test, 0, 0, start, end);
}
