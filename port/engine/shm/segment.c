/* Leases segments from a table under a lock. A free segment keeps its file and mapping; each lease has a new number, so
 * that a late release cannot hit the next lease. */
#include "shm/segment.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "os/memfd.h"
#include "os/ranked_lock.h"

/* Descriptors are few (RLIMIT_NOFILE), and segments are for large data. */
#define COUNT_MAX 256
/* Sizes are multiples of this, so that similar ones fit each other. */
#define GRAIN ((size_t)256 * 1024)
/* A free segment serves a request of at least this part of its size. */
#define WASTE_MAX 4
/* Free segments beyond half of the limit are closed, except below this size, and except the last one. */
#define FREE_MIN ((size_t)256 * 1024 * 1024)

struct segment {
    unsigned long long number; /* of the current lease */
    unsigned long long generation;
    struct memfd memfd;
    bool leased;
    bool allocated; /* allocated by Python, which counts as one of the pins */
    bool detached;  /* this process and the file do not see each other's changes any more */
    unsigned pins;
};

static struct ranked_lock lock = RANKED_LOCK_INITIALIZER(LOCK_SEGMENTS, "segments"); /* guards what follows */
static struct segment *segments[COUNT_MAX];
static unsigned count;
static size_t limit_bytes, total_bytes;
static unsigned long long last_number, last_generation;

static void before_fork(void), after_fork(void), after_fork_in_child(void);

bool segment_start(size_t limit)
{
    static bool guarded;
    if (!guarded)
        guarded = pthread_atfork(before_fork, after_fork, after_fork_in_child) == 0;
    limit_bytes = guarded ? limit : 0;
    return guarded;
}

bool segment_is_supported(void)
{
    return limit_bytes > 0 && memfd_is_supported();
}

static bool is_free(const struct segment *segment)
{
    return !segment->leased && segment->pins == 0;
}

/* -- made and dropped --------------------------------------------------------------------------------------------- */

static void drop(unsigned at)
{
    struct segment *segment = segments[at];
    memfd_drop(&segment->memfd);
    total_bytes -= segment->memfd.size;
    free(segment);
    segments[at] = segments[--count];
}

/* Drops free segments until `size` more bytes fit the limit. */
static bool make_room(size_t size)
{
    if (size > limit_bytes)
        return false;
    for (unsigned at = 0; at < count && (total_bytes > limit_bytes - size || count == COUNT_MAX);) {
        if (is_free(segments[at]))
            drop(at);
        else
            at++;
    }
    return total_bytes <= limit_bytes - size && count < COUNT_MAX;
}

static bool may_stay(size_t free_bytes)
{
    return free_bytes <= FREE_MIN || free_bytes <= limit_bytes / 2;
}

/* Returns the surplus segment that was leased first; NULL if there is no surplus. */
static struct segment *find_surplus(void)
{
    struct segment *oldest = NULL;
    size_t free_bytes = 0;
    for (unsigned at = 0; at < count; at++) {
        struct segment *segment = segments[at];
        if (!is_free(segment))
            continue;
        free_bytes += segment->memfd.size;
        if (oldest == NULL || segment->number < oldest->number)
            oldest = segment;
    }
    return oldest == NULL || may_stay(free_bytes) || free_bytes == oldest->memfd.size ? NULL : oldest;
}

static void drop_segment(const struct segment *segment)
{
    unsigned at = 0;
    while (segments[at] != segment)
        at++;
    drop(at);
}

/* Must be called when a segment may have become free. */
static void settle(const struct segment *segment)
{
    if (!is_free(segment))
        return;
    if (segment->detached) {
        drop_segment(segment);
        return;
    }
    const struct segment *surplus;
    while ((surplus = find_surplus()) != NULL)
        drop_segment(surplus);
}

static struct segment *make_segment(size_t size, unsigned files)
{
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL || !memfd_make(&segment->memfd, size, files)) {
        free(segment);
        return NULL;
    }
    segment->generation = ++last_generation;
    total_bytes += size;
    segments[count++] = segment;
    return segment;
}

/* -- leases ------------------------------------------------------------------------------------------------------- */

/* Returns the smallest free segment that is large enough and not far too large. */
static struct segment *find_free(size_t size, unsigned files)
{
    struct segment *best = NULL;
    for (unsigned at = 0; at < count; at++) {
        struct segment *segment = segments[at];
        if (is_free(segment) && (segment->memfd.second_fd >= 0) == (files > 1) && segment->memfd.size >= size &&
            segment->memfd.size / WASTE_MAX <= size && (best == NULL || segment->memfd.size < best->memfd.size))
            best = segment;
    }
    return best;
}

static struct segment_lease lease_of(const struct segment *segment)
{
    const struct memfd *memfd = &segment->memfd;
    return (struct segment_lease){
        segment->number,  memfd->fd,           memfd->bytes, memfd->size,
        memfd->second_fd, segment->generation, memfd->id,    memfd->second_id,
    };
}

bool segment_lease_files(size_t size, unsigned files, struct segment_lease *lease)
{
    size_t grain = GRAIN * files;
    if (size > limit_bytes || size > SIZE_MAX - grain)
        return false;
    size = (size + grain - 1) / grain * grain;
    if (size == 0)
        size = grain;
    ranked_lock_acquire(&lock);
    struct segment *segment = find_free(size, files);
    if (segment == NULL && make_room(size))
        segment = make_segment(size, files);
    if (segment != NULL) {
        segment->leased = true;
        segment->number = ++last_number;
        *lease = lease_of(segment);
    }
    ranked_lock_release(&lock);
    return segment != NULL;
}

bool segment_lease(size_t size, struct segment_lease *lease)
{
    return segment_lease_files(size, 1, lease);
}

static struct segment *find_leased(unsigned long long number)
{
    for (unsigned at = 0; at < count; at++)
        if (segments[at]->leased && segments[at]->number == number)
            return segments[at];
    return NULL;
}

void segment_release(unsigned long long number)
{
    ranked_lock_acquire(&lock);
    struct segment *segment = find_leased(number);
    if (segment != NULL) {
        segment->leased = false;
        settle(segment);
    }
    ranked_lock_release(&lock);
}

struct segment *segment_pin(unsigned long long number, size_t offset, size_t length, unsigned char **bytes)
{
    ranked_lock_acquire(&lock);
    struct segment *segment = find_leased(number);
    if (segment != NULL && (offset > segment->memfd.size || length > segment->memfd.size - offset))
        segment = NULL;
    if (segment != NULL) {
        segment->pins++;
        *bytes = segment->memfd.bytes + offset;
    }
    ranked_lock_release(&lock);
    return segment;
}

void segment_unpin(struct segment *segment)
{
    ranked_lock_acquire(&lock);
    segment->pins--;
    settle(segment);
    ranked_lock_release(&lock);
}

bool segment_read(unsigned long long number, size_t offset, void *buffer, size_t length)
{
    unsigned char *bytes;
    struct segment *segment = segment_pin(number, offset, length, &bytes);
    if (segment == NULL)
        return false;
    /* Not from the mapped bytes: Python may have changed those since the segment was detached. */
    bool is_read = memfd_read(&segment->memfd, offset, buffer, length);
    segment_unpin(segment);
    return is_read;
}

/* -- memory of Python's own --------------------------------------------------------------------------------------- */

/* Half of the segments are reserved for results that are sent. */
static bool may_allocate(size_t size)
{
    size_t allocated_bytes = 0;
    unsigned allocated = 0;
    for (unsigned at = 0; at < count; at++) {
        if (!segments[at]->allocated)
            continue;
        allocated++;
        allocated_bytes += segments[at]->memfd.size;
    }
    return allocated < COUNT_MAX / 2 && allocated_bytes + size <= limit_bytes / 2;
}

void *segment_allocate(size_t size)
{
    ranked_lock_acquire(&lock);
    struct segment *segment = count == 0 ? NULL : find_free(size, 1);
    if (segment != NULL && !may_allocate(segment->memfd.size))
        segment = NULL;
    if (segment != NULL) {
        segment->allocated = true;
        segment->number = ++last_number;
        segment->pins++;
    }
    ranked_lock_release(&lock);
    return segment == NULL ? NULL : segment->memfd.bytes;
}

static struct segment *find_allocated(const void *bytes, size_t length)
{
    uintptr_t start = (uintptr_t)bytes;
    for (unsigned at = 0; at < count; at++) {
        uintptr_t base = (uintptr_t)segments[at]->memfd.bytes;
        if (segments[at]->allocated && start >= base && start - base <= segments[at]->memfd.size &&
            length <= segments[at]->memfd.size - (start - base))
            return segments[at];
    }
    return NULL;
}

size_t segment_allocated(const void *bytes)
{
    ranked_lock_acquire(&lock);
    const struct segment *segment = find_allocated(bytes, 1);
    size_t size = segment != NULL && segment->memfd.bytes == bytes ? segment->memfd.size : 0;
    ranked_lock_release(&lock);
    return size;
}

bool segment_free(const void *bytes)
{
    ranked_lock_acquire(&lock);
    struct segment *segment = find_allocated(bytes, 1);
    bool ours = segment != NULL && segment->memfd.bytes == bytes;
    if (ours) {
        segment->allocated = false;
        segment->pins--;
        settle(segment);
    }
    ranked_lock_release(&lock);
    return ours;
}

bool segment_lease_allocated(const void *bytes, size_t length, struct segment_lease *lease)
{
    ranked_lock_acquire(&lock);
    struct segment *segment = find_allocated(bytes, length);
    bool leased = segment != NULL && !segment->leased && !segment->detached;
    if (leased) {
        segment->leased = true;
        segment->number = ++last_number;
        *lease = lease_of(segment);
    }
    ranked_lock_release(&lock);
    return leased;
}

static void detach(struct segment *segment)
{
    if (!segment->detached)
        memfd_detach(&segment->memfd);
    segment->detached = true;
}

void segment_detach(unsigned long long number)
{
    ranked_lock_acquire(&lock);
    struct segment *segment = find_leased(number);
    if (segment != NULL && segment->pins > 0)
        detach(segment);
    ranked_lock_release(&lock);
}

/* -- fork(2) ------------------------------------------------------------------------------------------------------ */

/* Pinned memory becomes copy-on-write, in parent and child, as Python's other memory is. */
static void before_fork(void)
{
    ranked_lock_acquire(&lock);
    for (unsigned at = 0; at < count; at++)
        if (segments[at]->pins > 0)
            detach(segments[at]);
}

static void after_fork(void)
{
    ranked_lock_release(&lock);
}

/* All other segments belong to the parent alone, and so do the files: a child may close descriptors that it does not
 * know, and open others under their numbers. System calls only: another thread may have been inside malloc. */
static void after_fork_in_child(void)
{
    unsigned kept = 0;
    limit_bytes = total_bytes = 0;
    for (unsigned at = 0; at < count; at++) {
        struct segment *segment = segments[at];
        memfd_close_files(&segment->memfd);
        segment->leased = false; /* the lease is that of the parent's client */
        if (segment->pins > 0) {
            total_bytes += segment->memfd.size;
            segments[kept++] = segment;
        } else {
            memfd_drop(&segment->memfd);
        }
    }
    count = kept;
    ranked_lock_release(&lock);
}

void segment_totals(size_t *total, size_t *used)
{
    ranked_lock_acquire(&lock);
    *total = total_bytes;
    *used = 0;
    for (unsigned at = 0; at < count; at++)
        if (!is_free(segments[at]))
            *used += segments[at]->memfd.size;
    ranked_lock_release(&lock);
}
