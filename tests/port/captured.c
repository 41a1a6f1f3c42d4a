/* Puts a temporary file in place of fd 2. */
#include "captured.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <check.h>

static FILE *file;
static int saved;

void capture_begin(void)
{
    fflush(stderr);
    file = tmpfile();
    ck_assert_ptr_nonnull(file);
    saved = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
}

char *capture_end(void)
{
    char *text = calloc(1, 10000);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_ge(pread(fileno(file), text, 9999, 0), 0);
    fclose(file);
    return text;
}
