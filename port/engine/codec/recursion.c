/* Finds the end of this thread's stack by pthread_getattr_np(3). */
#include "codec/recursion.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define NESTING_LIMIT 10000
/* Any stack has room for these levels; up to here no check is made. */
#define DEPTH_UNCHECKED 256
/* Reserved for the innermost level: Python code, in the worst case. */
#define STACK_KEPT ((size_t)192 * 1024)

static _Thread_local uintptr_t lowest; /* the address to stay above; 0: not found yet */

static uintptr_t find_lowest(void)
{
    void *start = NULL;
    size_t size = 0;
#ifdef __APPLE__
    size = pthread_get_stacksize_np(pthread_self());
    start = (char *)pthread_get_stackaddr_np(pthread_self()) - size;
#else
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return 1;
    (void)pthread_attr_getstack(&attributes, &start, &size);
    pthread_attr_destroy(&attributes);
#endif
    return (uintptr_t)start + (size > STACK_KEPT ? STACK_KEPT : size);
}

bool recursion_is_too_deep(unsigned depth)
{
    if (depth < DEPTH_UNCHECKED)
        return false;
    if (lowest == 0)
        lowest = find_lowest();
    return depth >= NESTING_LIMIT || (uintptr_t)__builtin_frame_address(0) < lowest;
}
