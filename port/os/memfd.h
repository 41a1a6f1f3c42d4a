/* Makes memory that another process can open: one or two files of memfd_create(2), mapped one behind the other. They
 * have no name in any file system, and are gone with the process. No locks in here. */
#ifndef PYTHONX_MEMFD_H
#define PYTHONX_MEMFD_H

#include <stdbool.h>
#include <stddef.h>

struct memfd {
    int fd, second_fd; /* -1 if there is no second; each file holds an equal part */
    unsigned char *bytes;
    size_t size;
};

/* Returns false on systems without it. */
bool memfd_is_supported(void);

/* `size` is a multiple of the page's size times `files`, which is 1 or 2. Returns false if the system has no more. */
bool memfd_make(struct memfd *memfd, size_t size, unsigned files);
void memfd_drop(struct memfd *memfd);

/* Parts the bytes, which stay, from the files: neither shows the other's later changes. If that fails, both stay as
 * they were. */
void memfd_detach(struct memfd *memfd);

/* Closes the files; the bytes stay. Makes system calls alone, as the child of a fork must. */
void memfd_close_files(struct memfd *memfd);

#endif
