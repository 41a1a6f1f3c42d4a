/* Asks the system to back fresh memory by huge pages, which it then fills several times as fast: a page fault for each
 * 2 MiB in place of each 4 KiB. */
#ifndef PYTHONX_HUGE_PAGES_H
#define PYTHONX_HUGE_PAGES_H

#include <stddef.h>

/* To be called before the memory is first written; it may come from malloc(3). Does nothing for less than 2 MiB, and
 * where the system has no huge pages or never uses them so (madvise(2), MADV_HUGEPAGE). */
void huge_pages_advise(void *memory, size_t length);

#endif
