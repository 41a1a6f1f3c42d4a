/* Memory that another process can open: one or two files of memfd_create(2), mapped one behind the other. They have no
 * name in any file system, and are gone with the process. No locks in here. */
#ifndef PYTHONX_MEMFD_H
#define PYTHONX_MEMFD_H

#include <stdbool.h>
#include <stddef.h>

struct memfd {
    int fd, second_fd; /* -1 where there is no second; each file holds an equal part */
    unsigned char *bytes;
    size_t size;
};

/* Whether the system has what that needs. */
bool memfd_is_supported(void);

/* `size` is a multiple of the page's size times `files`, which is 1 or 2. False where the system has no more. */
bool memfd_make(struct memfd *mapping, size_t size, unsigned files);
void memfd_drop(struct memfd *mapping);

/* This process and the files do not see each other's changes any more; the bytes stay. Where that fails they do as
 * before: it is all that could be done. */
void memfd_detach(struct memfd *mapping);

/* The memory stays; the files are closed. A system call alone, as for the child of a fork. */
void memfd_close_files(struct memfd *mapping);

#endif
