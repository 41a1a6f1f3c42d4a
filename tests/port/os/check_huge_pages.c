/* Tests which memory is marked for huge pages. Whether there are any is the system's affair. */
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builds.h"
#include "os/huge_pages.h"
#include "suites.h"

#define MIB ((size_t)1024 * 1024)

/* Returns whether the system gives huge pages to those who ask. */
static bool is_on_wish(void)
{
    char modes[64] = "";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    if (file == NULL)
        return false;
    bool read = fgets(modes, sizeof modes, file) != NULL;
    fclose(file);
    return read && strstr(modes, "[madvise]") != NULL;
}

/* Returns whether the mapping with the address has the flag hg: proc(5), smaps. */
static bool is_marked(const void *memory)
{
    char line[4096];
    bool inside = false, marked = false;
    FILE *file = fopen("/proc/self/smaps", "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long long start, end;
        if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
            inside = (uintptr_t)memory >= start && (uintptr_t)memory < end;
        if (inside && strncmp(line, "VmFlags:", 8) == 0)
            marked = strstr(line, " hg") != NULL;
    }
    fclose(file);
    return marked;
}

START_TEST(marks_large_memory)
{
    char *memory = malloc(64 * MIB);
    ck_assert_ptr_nonnull(memory);
    huge_pages_advise(memory, 64 * MIB);
    memset(memory, 1, 64 * MIB);
    ck_assert(is_marked(memory) == is_on_wish());
    ck_assert(is_marked(memory + 64 * MIB - 1) == is_on_wish());
    /* What malloc maps stays one mapping. */
    memory = realloc(memory, 96 * MIB);
    ck_assert_ptr_nonnull(memory);
    ck_assert(memory[0] == 1 && memory[64 * MIB - 1] == 1);
    free(memory);
}
END_TEST

START_TEST(leaves_small_memory_alone)
{
    char *memory = malloc(MIB);
    ck_assert_ptr_nonnull(memory);
    huge_pages_advise(memory, MIB);
    ck_assert(!is_marked(memory));
    free(memory);
    huge_pages_advise(NULL, 0);
}
END_TEST

Suite *huge_pages_suite(void)
{
    Suite *suite = suite_create("huge_pages");
    TCase *tcase = tcase_create("advice");
    if (BUILD_IS_FOR_LINUX && !BUILD_IS_SANITIZED) {
        tcase_add_test(tcase, marks_large_memory);
    }
    tcase_add_test(tcase, leaves_small_memory_alone);
    suite_add_tcase(suite, tcase);
    return suite;
}
