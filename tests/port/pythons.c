/* Splits the list once. */
#include "pythons.h"

#include <stdlib.h>
#include <string.h>

#define MOST 16

static char *paths[MOST];
static int count = -1;

int pythons_count(void)
{
    if (count >= 0)
        return count;
    const char *list = getenv("PYTHONX_TEST_PYTHONS");
    char *copy = strdup(list == NULL ? "" : list);
    count = 0;
    for (char *path = strtok(copy, ":"); path != NULL && count < MOST; path = strtok(NULL, ":"))
        paths[count++] = path;
    return count;
}

const char *pythons_path(int index)
{
    return index < pythons_count() ? paths[index] : NULL;
}
