/* Creates memory that another process can open: one or two files of memfd_create(2), mapped one behind the other. They
 * have no name in any file system, and are gone with the process. Takes no locks. */
#ifndef PYTHONX_MEMFD_H
#define PYTHONX_MEMFD_H

#include <stdbool.h>
#include <stddef.h>

struct memfd {
    int fd, second_fd; /* -1 if there is no second; each file holds an equal part */
    unsigned char *bytes;
    size_t size;
};

/* Returns false if the system has no memfd_create. */
bool memfd_is_supported(void);

/* `size` must be a multiple of the page size times `files`, which must be 1 or 2. Returns false if the system has no
 * more. */
bool memfd_make(struct memfd *memfd, size_t size, unsigned files);
void memfd_drop(struct memfd *memfd);

/* Detaches the mapped bytes, which stay, from the files: neither sees later changes of the other. If that fails, both
 * stay as they were. */
void memfd_detach(struct memfd *memfd);

/* Closes the files; the bytes stay. Makes system calls only, as the child of a fork must. */
void memfd_close_files(struct memfd *memfd);

#endif
