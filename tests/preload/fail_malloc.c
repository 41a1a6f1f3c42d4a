/* Makes allocations of one size fail: preloaded (LD_PRELOAD) into a session, so that a test decides for which of its
 * frames and messages there is no memory. FAIL_MALLOC and FAIL_REALLOC name the sizes. */
#include <errno.h>
#include <stdlib.h>

#ifdef __GLIBC__
extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size);
void *realloc(void *memory, size_t size);

static size_t malloc_size, realloc_size;

static size_t read_size(const char *name)
{
    const char *text = getenv(name);
    return text == NULL ? 0 : (size_t)strtoull(text, NULL, 10);
}

__attribute__((constructor)) static void read_sizes(void)
{
    malloc_size = read_size("FAIL_MALLOC");
    realloc_size = read_size("FAIL_REALLOC");
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
    if (size != 0 && size == malloc_size) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_malloc(size);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t size)
{
    if (size != 0 && size == realloc_size) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(memory, size);
}
#endif
