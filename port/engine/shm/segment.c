/* A table under a lock. A segment keeps its file and mapping when it is free; its number is a new one for each lease,
 * so that a late give-back cannot hit the next user. */
#include "shm/segment.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "os/memfd.h"

/* Descriptors are few (RLIMIT_NOFILE), and segments are for large data. */
#define COUNT_MAX 256
/* Sizes are multiples of this, so that similar ones fit each other. */
#define GRAIN ((size_t)256 * 1024)
/* A free segment serves a request of at least this part of its size. */
#define WASTE_MAX 4
/* What is free beyond half of the limit is given back to the system; not below this, and not the last one. */
#define FREE_MIN ((size_t)256 * 1024 * 1024)

struct segment {
    unsigned long long number; /* of the current lease */
    unsigned long long made;
    struct memfd mapping;
    bool lent;
    bool allocated; /* to Python, which is one of the looks */
    bool parted;    /* this process and the file do not see each other's changes any more */
    unsigned looks;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct segment *segments[COUNT_MAX];
static unsigned count;
static size_t limit_bytes, total_bytes;
static unsigned long long last_number, last_made;

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
    return !segment->lent && segment->looks == 0;
}

/* -- made and dropped ---------------------------------------------------------------------------------------------- */

static void drop(unsigned at)
{
    struct segment *segment = segments[at];
    memfd_drop(&segment->mapping);
    total_bytes -= segment->mapping.size;
    free(segment);
    segments[at] = segments[--count];
}

/* The free ones are dropped until `size` more bytes fit the limit. */
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

/* The one that was lent first of those that are too many; NULL where none is. */
static struct segment *find_surplus(void)
{
    struct segment *oldest = NULL;
    size_t free_bytes = 0;
    for (unsigned at = 0; at < count; at++) {
        struct segment *segment = segments[at];
        if (!is_free(segment))
            continue;
        free_bytes += segment->mapping.size;
        if (oldest == NULL || segment->number < oldest->number)
            oldest = segment;
    }
    return oldest == NULL || may_stay(free_bytes) || free_bytes == oldest->mapping.size ? NULL : oldest;
}

static void drop_segment(const struct segment *segment)
{
    unsigned at = 0;
    while (segments[at] != segment)
        at++;
    drop(at);
}

/* To be called where a segment may have become free. */
static void settle(const struct segment *segment)
{
    if (!is_free(segment))
        return;
    if (segment->parted) {
        drop_segment(segment);
        return;
    }
    const struct segment *surplus;
    while ((surplus = find_surplus()) != NULL)
        drop_segment(surplus);
}

static struct segment *make(size_t size, unsigned files)
{
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL || !memfd_make(&segment->mapping, size, files)) {
        free(segment);
        return NULL;
    }
    segment->made = ++last_made;
    total_bytes += size;
    segments[count++] = segment;
    return segment;
}

/* -- leases ---------------------------------------------------------------------------------------------------------
 */

/* The smallest free one that is large enough and not far too large. */
static struct segment *find_free(size_t size, unsigned files)
{
    struct segment *best = NULL;
    for (unsigned at = 0; at < count; at++) {
        struct segment *segment = segments[at];
        if (is_free(segment) && (segment->mapping.second_fd >= 0) == (files > 1) && segment->mapping.size >= size &&
            segment->mapping.size / WASTE_MAX <= size && (best == NULL || segment->mapping.size < best->mapping.size))
            best = segment;
    }
    return best;
}

static struct segment_loan loan_of(const struct segment *segment)
{
    const struct memfd *mapping = &segment->mapping;
    return (struct segment_loan){segment->number, mapping->fd,        mapping->bytes,
                                 mapping->size,   mapping->second_fd, segment->made};
}

bool segment_lease_files(size_t size, unsigned files, struct segment_loan *lease)
{
    size_t grain = GRAIN * files;
    if (size > limit_bytes || size > SIZE_MAX - grain)
        return false;
    size = (size + grain - 1) / grain * grain;
    if (size == 0)
        size = grain;
    pthread_mutex_lock(&lock);
    struct segment *segment = find_free(size, files);
    if (segment == NULL && make_room(size))
        segment = make(size, files);
    if (segment != NULL) {
        segment->lent = true;
        segment->number = ++last_number;
        *lease = loan_of(segment);
    }
    pthread_mutex_unlock(&lock);
    return segment != NULL;
}

bool segment_lease(size_t size, struct segment_loan *lease)
{
    return segment_lease_files(size, 1, lease);
}

static struct segment *find_lent(unsigned long long number)
{
    for (unsigned at = 0; at < count; at++)
        if (segments[at]->lent && segments[at]->number == number)
            return segments[at];
    return NULL;
}

void segment_give_back(unsigned long long number)
{
    pthread_mutex_lock(&lock);
    struct segment *segment = find_lent(number);
    if (segment != NULL) {
        segment->lent = false;
        settle(segment);
    }
    pthread_mutex_unlock(&lock);
}

struct segment *segment_pin(unsigned long long number, size_t offset, size_t length, unsigned char **bytes)
{
    pthread_mutex_lock(&lock);
    struct segment *segment = find_lent(number);
    if (segment != NULL && (offset > segment->mapping.size || length > segment->mapping.size - offset))
        segment = NULL;
    if (segment != NULL) {
        segment->looks++;
        *bytes = segment->mapping.bytes + offset;
    }
    pthread_mutex_unlock(&lock);
    return segment;
}

void segment_unpin(struct segment *segment)
{
    pthread_mutex_lock(&lock);
    segment->looks--;
    settle(segment);
    pthread_mutex_unlock(&lock);
}

/* -- memory of Python's own ---------------------------------------------------------------------------------------- */

/* Half of what there is stays for what is sent. */
static bool may_allocate(size_t size)
{
    size_t allocated_bytes = 0;
    unsigned allocated = 0;
    for (unsigned at = 0; at < count; at++) {
        if (!segments[at]->allocated)
            continue;
        allocated++;
        allocated_bytes += segments[at]->mapping.size;
    }
    return allocated < COUNT_MAX / 2 && allocated_bytes + size <= limit_bytes / 2;
}

void *segment_allocate(size_t size)
{
    pthread_mutex_lock(&lock);
    struct segment *segment = count == 0 ? NULL : find_free(size, 1);
    if (segment != NULL && !may_allocate(segment->mapping.size))
        segment = NULL;
    if (segment != NULL) {
        segment->allocated = true;
        segment->number = ++last_number;
        segment->looks++;
    }
    pthread_mutex_unlock(&lock);
    return segment == NULL ? NULL : segment->mapping.bytes;
}

static struct segment *find_allocated(const void *bytes, size_t length)
{
    uintptr_t start = (uintptr_t)bytes;
    for (unsigned at = 0; at < count; at++) {
        uintptr_t base = (uintptr_t)segments[at]->mapping.bytes;
        if (segments[at]->allocated && start >= base && start - base <= segments[at]->mapping.size &&
            length <= segments[at]->mapping.size - (start - base))
            return segments[at];
    }
    return NULL;
}

size_t segment_allocated(const void *bytes)
{
    pthread_mutex_lock(&lock);
    const struct segment *segment = find_allocated(bytes, 1);
    size_t size = segment != NULL && segment->mapping.bytes == bytes ? segment->mapping.size : 0;
    pthread_mutex_unlock(&lock);
    return size;
}

bool segment_free(const void *bytes)
{
    pthread_mutex_lock(&lock);
    struct segment *segment = find_allocated(bytes, 1);
    bool ours = segment != NULL && segment->mapping.bytes == bytes;
    if (ours) {
        segment->allocated = false;
        segment->looks--;
        settle(segment);
    }
    pthread_mutex_unlock(&lock);
    return ours;
}

bool segment_lease_allocated(const void *bytes, size_t length, struct segment_loan *lease)
{
    pthread_mutex_lock(&lock);
    struct segment *segment = find_allocated(bytes, length);
    bool lent = segment != NULL && !segment->lent && !segment->parted;
    if (lent) {
        segment->lent = true;
        segment->number = ++last_number;
        *lease = loan_of(segment);
    }
    pthread_mutex_unlock(&lock);
    return lent;
}

static void part(struct segment *segment)
{
    if (!segment->parted)
        memfd_detach(&segment->mapping);
    segment->parted = true;
}

void segment_detach(unsigned long long number)
{
    pthread_mutex_lock(&lock);
    struct segment *segment = find_lent(number);
    if (segment != NULL && segment->looks > 0)
        part(segment);
    pthread_mutex_unlock(&lock);
}

/* -- fork(2) ------------------------------------------------------------------------------------------------------- */

/* The memory that Python looks at becomes a copy-on-write one, as its other memory is, in parent and child. */
static void before_fork(void)
{
    pthread_mutex_lock(&lock);
    for (unsigned at = 0; at < count; at++)
        if (segments[at]->looks > 0)
            part(segments[at]);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

/* All others are the parent's alone, and so are the files: a child may close descriptors that it does not know, and
 * open others under their numbers. System calls only: another thread may have been in the midst of malloc. */
static void after_fork_in_child(void)
{
    unsigned kept = 0;
    limit_bytes = total_bytes = 0;
    for (unsigned at = 0; at < count; at++) {
        struct segment *segment = segments[at];
        memfd_close_files(&segment->mapping);
        segment->lent = false; /* to the parent's client */
        if (segment->looks > 0) {
            total_bytes += segment->mapping.size;
            segments[kept++] = segment;
        } else {
            memfd_drop(&segment->mapping);
        }
    }
    count = kept;
    pthread_mutex_unlock(&lock);
}

void segment_totals(size_t *total, size_t *used)
{
    pthread_mutex_lock(&lock);
    *total = total_bytes;
    *used = 0;
    for (unsigned at = 0; at < count; at++)
        if (!is_free(segments[at]))
            *used += segments[at]->mapping.size;
    pthread_mutex_unlock(&lock);
}
