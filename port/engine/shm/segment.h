/* Leases shared memory for bulk data: files of memfd_create(2), mapped here, which the BEAM opens as
 * /proc/<os pid>/fd/<fd> and reads and writes at the speed of memory. They have no name in any file system and are gone
 * with the process.
 *
 * A segment is in use while it is leased to the client or pinned by Python; then it goes back to the pool, its pages
 * warm. All functions may be called from any thread, with or without the GIL. */
#ifndef PYTHONX_SEGMENT_H
#define PYTHONX_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>

/* Sets how many bytes all segments together may take; 0: none are made. Returns false if the fork handlers cannot be
 * installed; no segment is made then. */
bool segment_start(size_t limit);

/* Whether the system has what segments need. */
bool segment_is_supported(void);

struct segment_lease {
    unsigned long long number; /* never used twice */
    int fd;
    unsigned char *bytes;          /* mapped */
    size_t size;                   /* at least what was asked for */
    int second_fd;                 /* of a segment of two files, of equal size, the second follows the first; else -1 */
    unsigned long long generation; /* the number of this file or pair of files; no other has it */
};

/* Leases a segment to the client. Returns false if the limit does not allow it, or the system has no more. */
bool segment_lease(size_t size, struct segment_lease *lease);

/* The same for a segment of one or two files. Writes into one file wait for each other; two can be written at once. */
#define SEGMENT_FILES_MAX 2
bool segment_lease_files(size_t size, unsigned files, struct segment_lease *lease);

/* Ends the client's lease (`give_back` on the wire). Unknown numbers are ignored. */
void segment_release(unsigned long long number);

/* Pins bytes of a leased segment for this process, until segment_unpin. Returns NULL if the number is not leased or the
 * bytes are not in it. */
struct segment;
struct segment *segment_pin(unsigned long long number, size_t offset, size_t length, unsigned char **bytes);
void segment_unpin(struct segment *segment);

/* Python's own memory. A free segment becomes memory of at least `size` bytes that Python may use as it likes, as from
 * malloc, until segment_free. Returns NULL if none that fits is free: none is made for it, since new pages of shared
 * memory cost several times what NumPy's own cost. Half of the limit at most is used so. */
void *segment_allocate(size_t size);
/* The size of what segment_allocate returned; 0 for any other memory. */
size_t segment_allocated(const void *bytes);
/* Returns false for any other memory. */
bool segment_free(const void *bytes);

/* Leases to the client the segment that bytes of segment_allocate lie in. Returns false if they do not, or if it cannot
 * be leased (it is already, or a child of this process sees it). Python must free the memory before the message is
 * sent. */
bool segment_lease_allocated(const void *bytes, size_t length, struct segment_lease *lease);
/* Python has not freed it: from now on the client does not see what Python changes in the segment. */
void segment_detach(unsigned long long number);

/* For `info`: how many bytes all segments take, and how many of them are in use. */
void segment_totals(size_t *total, size_t *used);

#endif
