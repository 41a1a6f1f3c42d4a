/* Shared memory for bulk data: files of memfd_create(2), mapped here, which the BEAM opens as /proc/<os pid>/fd/<fd>
 * and reads and writes at the speed of memory. They have no name in any file system and are gone with the process.
 *
 * A segment is in use while the client has it lent or Python looks at it; then it goes back to the pool, its pages
 * warm. All functions may be called from any thread, with or without the GIL. */
#ifndef PYTHONX_SEGMENT_H
#define PYTHONX_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>

/* What all segments together may take, in bytes; 0: none are made. */
void segment_start(size_t limit);

/* Whether the system has what segments need. */
bool segment_is_supported(void);

struct segment_loan {
    unsigned long long number; /* never used twice */
    int fd;
    unsigned char *bytes; /* mapped */
    size_t size;          /* at least what was asked for */
};

/* Lends a segment to the client. False where the limit does not allow it, or the system has no more. */
bool segment_lend(size_t size, struct segment_loan *loan);

/* The client has done with it. Unknown numbers are ignored. */
void segment_give_back(unsigned long long number);

/* Somebody in this process looks at bytes of a segment that the client has lent; NULL where the number is not lent or
 * the bytes are not in it. Each look is ended by one segment_look_away. */
struct segment;
struct segment *segment_look(unsigned long long number, size_t offset, size_t length, unsigned char **bytes);
void segment_look_away(struct segment *segment);

/* For `info`: how many bytes all segments take, and how many of them are in use. */
void segment_totals(size_t *total, size_t *used);

#endif
