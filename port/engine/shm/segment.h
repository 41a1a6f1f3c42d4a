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

#include "os/memfd.h"

/* Sets how many bytes all segments together may take; 0: no segments. Returns false if the fork handlers cannot be
 * installed; no segment is created then. */
bool segment_start(size_t limit);

/* Returns whether the system has what segments need. */
bool segment_is_supported(void);

struct segment_lease {
    unsigned long long number; /* never used twice */
    int fd;
    unsigned char *bytes;          /* mapped */
    size_t size;                   /* at least the requested size */
    int second_fd;                 /* of a segment of two files, of equal size, the second follows the first; else -1 */
    unsigned long long generation; /* the number of this file or pair of files; no other has it */
    struct memfd_id id, second_id; /* of the files */
};

/* Leases a segment to the client. Returns false if the limit does not allow it, or the system has no more. */
bool segment_lease(size_t size, struct segment_lease *lease);

/* Leases a segment of one or two files, likewise. Writes into one file wait for each other; two files can be written at
 * once. */
#define SEGMENT_FILES_MAX 2
bool segment_lease_files(size_t size, unsigned files, struct segment_lease *lease);

/* Ends the client's lease (`give_back` on the wire). Unknown numbers are ignored. */
void segment_release(unsigned long long number);

/* Pins bytes of a leased segment for this process, until segment_unpin. Returns NULL if the number is not leased or the
 * bytes are not in it. */
struct segment;
struct segment *segment_pin(unsigned long long number, size_t offset, size_t length, unsigned char **bytes);
void segment_unpin(struct segment *segment);

/* Copies bytes of a leased segment, as the client sees them in the file. Returns false if the number is not leased, the
 * bytes are not in it, or the system cannot read them. */
bool segment_read(unsigned long long number, size_t offset, void *buffer, size_t length);

/* Turns a free segment into memory of at least `size` bytes that Python may use freely, as from malloc, until
 * segment_free. Returns NULL if there is no free segment that fits: none is created, since new pages of shared memory
 * cost several times as much as NumPy's own. At most half of the limit is used so. */
void *segment_allocate(size_t size);
/* Returns the size of memory of segment_allocate; 0 for any other memory. */
size_t segment_allocated(const void *bytes);
/* Frees memory of segment_allocate. Returns false for any other memory. */
bool segment_free(const void *bytes);

/* Leases to the client the segment of segment_allocate in which the bytes lie. Returns false if they lie in none, or if
 * it cannot be leased (it is leased already, or a child of this process sees it). Python must free the memory before
 * the message is sent. */
bool segment_lease_allocated(const void *bytes, size_t length, struct segment_lease *lease);
/* Detaches a segment whose memory Python has not freed: from now on the client does not see Python's changes. */
void segment_detach(unsigned long long number);

/* Counts, for `info`, how many bytes all segments take, and how many of them are in use. */
void segment_totals(size_t *total, size_t *used);

#endif
