/* Creates memory that another process can open: one or two files of memfd_create(2), mapped one behind the other. They
 * have no name in any file system, and are gone with the process. Takes no locks. */
#ifndef PYTHONX_MEMFD_H
#define PYTHONX_MEMFD_H

#include <stdbool.h>
#include <stddef.h>

/* What fstat reports of a file: no other file of the host has both at the same time. */
struct memfd_id {
    unsigned long long device, inode;
};

struct memfd {
    int fd, second_fd; /* -1 if there is no second; each file holds an equal part */
    struct memfd_id id, second_id;
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

/* Copies bytes out of the files, which may differ from the mapped ones after memfd_detach. They must be within them.
 * Returns false if the system cannot read them. */
bool memfd_read(const struct memfd *memfd, size_t offset, void *buffer, size_t length);

/* Closes the files; the bytes stay. Makes system calls only, as the child of a fork must. */
void memfd_close_files(struct memfd *memfd);

#endif
