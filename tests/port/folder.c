/* Makes and removes the folder by mkdtemp(3) and nftw(3). */
#include "folder.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <check.h>

static char *root; /* resolved */

void folder_make(void)
{
    const char *temporary = getenv("TMPDIR");
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/pythonx_port.XXXXXX", temporary == NULL ? "/tmp" : temporary);
    ck_assert_ptr_nonnull(mkdtemp(name));
    root = realpath(name, NULL);
    ck_assert_ptr_nonnull(root);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status, (void)type, (void)place;
    return remove(path);
}

void folder_remove(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(root);
    root = NULL;
}

const char *folder_path(const char *path)
{
    static char paths[32][PATH_MAX];
    static int next;
    char *whole = paths[next++ % 32];
    snprintf(whole, PATH_MAX, "%s%s%s", root, *path == '\0' ? "" : "/", path);
    return whole;
}

static const char *make_parents(const char *path)
{
    const char *whole = folder_path(path);
    char parent[PATH_MAX];
    for (const char *slash = strchr(whole + strlen(root) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - whole), whole);
        mkdir(parent, 0755);
    }
    return whole;
}

void folder_write(const char *path, const char *text)
{
    FILE *file = fopen(make_parents(path), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

void folder_write_program(const char *path, const char *text)
{
    folder_write(path, text);
    ck_assert_int_eq(chmod(folder_path(path), 0755), 0);
}

void folder_link(const char *path, const char *target)
{
    ck_assert_int_eq(symlink(target, make_parents(path)), 0);
}
