/* Shared memory for bulk data: files of memfd_create(2), mapped here, which the BEAM opens as /proc/<os pid>/fd/<fd>
 * and reads and writes at the speed of memory. They have no name in any file system and are gone with the process.
 *
 * A segment is in use while the client has it lent or Python looks at it; then it goes back to the pool, its pages
 * warm. All functions may be called from any thread, with or without the GIL. */
#ifndef PYTHONX_SEGMENT_H
#define PYTHONX_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>

/* What all segments together may take, in bytes; 0: none are made. False where forks cannot be told of them: none are
 * made then, either. */
bool segment_start(size_t limit);

/* Whether the system has what segments need. */
bool segment_is_supported(void);

struct segment_loan {
    unsigned long long number; /* never used twice */
    int fd;
    unsigned char *bytes;    /* mapped */
    size_t size;             /* at least what was asked for */
    int second_fd;           /* of a segment of two files, of equal size, the second follows the first; else -1 */
    unsigned long long made; /* the number of this file or pair of files; no other has it */
};

/* Lends a segment to the client. False where the limit does not allow it, or the system has no more. */
bool segment_lease(size_t size, struct segment_loan *lease);

/* The same for a segment of one or two files. Writes into one file wait for each other; two can be written at once. */
#define SEGMENT_FILES_MAX 2
bool segment_lease_files(size_t size, unsigned files, struct segment_loan *lease);

/* The client has done with it. Unknown numbers are ignored. */
void segment_give_back(unsigned long long number);

/* Somebody in this process looks at bytes of a segment that the client has lent; NULL where the number is not lent or
 * the bytes are not in it. Each look is ended by one segment_unpin. */
struct segment;
struct segment *segment_pin(unsigned long long number, size_t offset, size_t length, unsigned char **bytes);
void segment_unpin(struct segment *segment);

/* Python's own memory. A free segment becomes memory of at least `size` bytes that Python may use as it likes, as from
 * malloc, until segment_free. NULL where none is free that fits: none is made for it, since fresh pages of shared
 * memory cost several times what NumPy's own cost. Half of the limit at most goes this way. */
void *segment_allocate(size_t size);
/* The size of what segment_allocate returned; 0 for any other memory. */
size_t segment_allocated(const void *bytes);
/* False for any other memory. */
bool segment_free(const void *bytes);

/* Lends the client the segment that bytes of segment_allocate lie in. False where they do not, or it cannot be lent (it
 * is lent already, or a child of this process sees it). Python is to free the memory before the client is told. */
bool segment_lease_allocated(const void *bytes, size_t length, struct segment_loan *lease);
/* Python has not freed it: what it changes in a lent segment from now on, the client does not see. */
void segment_detach(unsigned long long number);

/* For `info`: how many bytes all segments take, and how many of them are in use. */
void segment_totals(size_t *total, size_t *used);

#endif
