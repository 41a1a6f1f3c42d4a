#include "os/huge_pages.h"

#include "os/platform.h"

#ifdef PLATFORM_IS_LINUX
#    include <pthread.h>
#    include <stdint.h>
#    include <stdio.h>
#    include <sys/mman.h>
#endif

#if defined(PLATFORM_IS_LINUX) && defined(MADV_HUGEPAGE)
#    define HUGE_PAGE ((size_t)2 * 1024 * 1024)

static pthread_once_t asked = PTHREAD_ONCE_INIT;
static bool on_wish;

/* "always [madvise] never": with "always" all memory has them. */
static void ask(void)
{
    char modes[64] = {0};
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    if (file == NULL)
        return;
    on_wish = fgets(modes, sizeof modes, file) != NULL && strstr(modes, "[madvise]") != NULL;
    fclose(file);
}

void huge_pages_advise(void *memory, size_t length)
{
    if (length < HUGE_PAGE || pthread_once(&asked, ask) != 0 || !on_wish)
        return;
    /* Whole pages, also those at the ends: what malloc maps for one object stays one mapping, which can be enlarged. */
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)memory & ~(page - 1);
    uintptr_t end = ((uintptr_t)memory + length + page - 1) & ~(page - 1);
    int error = errno;
    (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
    errno = error;
}
#else
void huge_pages_advise(void *memory, size_t length)
{
    (void)memory;
    (void)length;
}
#endif
