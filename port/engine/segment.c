/* A table under a lock. A segment keeps its file and mapping when it is free; its number is a new one for each loan, so
 * that a late give-back cannot hit the next user. */
#include "segment.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Descriptors are few (RLIMIT_NOFILE), and segments are for large data. */
#define COUNT_MAX 256
/* Sizes are multiples of this, so that similar ones fit each other. */
#define GRAIN ((size_t)256 * 1024)
/* A free segment serves a request of at least this part of its size. */
#define WASTE_MAX 4
/* What is free beyond half of the limit is given back to the system; not below this, and not the last one. */
#define FREE_MIN ((size_t)256 * 1024 * 1024)

struct segment {
    unsigned long long number; /* of the current loan */
    int fd;
    unsigned char *bytes;
    size_t size;
    bool lent;
    bool allocated; /* to Python, which is one of the looks */
    bool parted;    /* this process and the file do not see each other's changes any more */
    unsigned looks;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct segment *segments[COUNT_MAX];
static unsigned count;
static size_t limit_bytes, total_bytes;
static unsigned long long last_number;

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
#ifdef MFD_CLOEXEC
    int fd = limit_bytes == 0 ? -1 : memfd_create("pythonx_port", MFD_CLOEXEC);
    bool supported = fd >= 0 && access("/proc/self/fd", X_OK) == 0;
    if (fd >= 0)
        close(fd);
    return supported;
#else
    return false;
#endif
}

static bool is_free(const struct segment *segment)
{
    return !segment->lent && segment->looks == 0;
}

/* -- files and mappings ------------------------------------------------------------------------------------------ */

static void drop(unsigned at)
{
    struct segment *segment = segments[at];
    munmap(segment->bytes, segment->size);
    if (segment->fd >= 0)
        close(segment->fd);
    total_bytes -= segment->size;
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
        free_bytes += segment->size;
        if (oldest == NULL || segment->number < oldest->number)
            oldest = segment;
    }
    return oldest == NULL || may_stay(free_bytes) || free_bytes == oldest->size ? NULL : oldest;
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

static struct segment *make(size_t size)
{
#ifdef MFD_CLOEXEC
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return NULL;
    segment->size = size;
    segment->fd = memfd_create("pythonx_port", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (segment->fd < 0)
        goto no_file;
    /* Sealed: whoever shrinks the file, as an open for writing alone does, must not take the pages from under us. */
    if (ftruncate(segment->fd, (off_t)size) != 0 || fcntl(segment->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
        goto no_mapping;
    segment->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
    if (segment->bytes == MAP_FAILED)
        goto no_mapping;
    total_bytes += size;
    segments[count++] = segment;
    return segment;

no_mapping:
    close(segment->fd);
no_file:
    free(segment);
#else
    (void)size;
#endif
    return NULL;
}

/* -- loans ------------------------------------------------------------------------------------------------------- */

/* The smallest free one that is large enough and not far too large. */
static struct segment *find_free(size_t size)
{
    struct segment *best = NULL;
    for (unsigned at = 0; at < count; at++) {
        struct segment *segment = segments[at];
        if (is_free(segment) && segment->size >= size && segment->size / WASTE_MAX <= size &&
            (best == NULL || segment->size < best->size))
            best = segment;
    }
    return best;
}

bool segment_lend(size_t size, struct segment_loan *loan)
{
    if (size > limit_bytes)
        return false;
    size = (size + GRAIN - 1) / GRAIN * GRAIN;
    if (size == 0)
        size = GRAIN;
    pthread_mutex_lock(&lock);
    struct segment *segment = find_free(size);
    if (segment == NULL && make_room(size))
        segment = make(size);
    if (segment != NULL) {
        segment->lent = true;
        segment->number = ++last_number;
        *loan = (struct segment_loan){segment->number, segment->fd, segment->bytes, segment->size};
    }
    pthread_mutex_unlock(&lock);
    return segment != NULL;
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

struct segment *segment_look(unsigned long long number, size_t offset, size_t length, unsigned char **bytes)
{
    pthread_mutex_lock(&lock);
    struct segment *segment = find_lent(number);
    if (segment != NULL && (offset > segment->size || length > segment->size - offset))
        segment = NULL;
    if (segment != NULL) {
        segment->looks++;
        *bytes = segment->bytes + offset;
    }
    pthread_mutex_unlock(&lock);
    return segment;
}

void segment_look_away(struct segment *segment)
{
    pthread_mutex_lock(&lock);
    segment->looks--;
    settle(segment);
    pthread_mutex_unlock(&lock);
}

/* -- memory of Python's own -------------------------------------------------------------------------------------- */

/* Half of what there is stays for what is sent. */
static bool may_allocate(size_t size)
{
    size_t allocated_bytes = 0;
    unsigned allocated = 0;
    for (unsigned at = 0; at < count; at++) {
        if (!segments[at]->allocated)
            continue;
        allocated++;
        allocated_bytes += segments[at]->size;
    }
    return allocated < COUNT_MAX / 2 && allocated_bytes + size <= limit_bytes / 2;
}

void *segment_allocate(size_t size)
{
    pthread_mutex_lock(&lock);
    struct segment *segment = count == 0 ? NULL : find_free(size);
    if (segment != NULL && !may_allocate(segment->size))
        segment = NULL;
    if (segment != NULL) {
        segment->allocated = true;
        segment->number = ++last_number;
        segment->looks++;
    }
    pthread_mutex_unlock(&lock);
    return segment == NULL ? NULL : segment->bytes;
}

static struct segment *find_allocated(const void *bytes, size_t length)
{
    uintptr_t start = (uintptr_t)bytes;
    for (unsigned at = 0; at < count; at++) {
        uintptr_t base = (uintptr_t)segments[at]->bytes;
        if (segments[at]->allocated && start >= base && start - base <= segments[at]->size &&
            length <= segments[at]->size - (start - base))
            return segments[at];
    }
    return NULL;
}

size_t segment_allocated(const void *bytes)
{
    pthread_mutex_lock(&lock);
    const struct segment *segment = find_allocated(bytes, 1);
    size_t size = segment != NULL && segment->bytes == bytes ? segment->size : 0;
    pthread_mutex_unlock(&lock);
    return size;
}

bool segment_free(const void *bytes)
{
    pthread_mutex_lock(&lock);
    struct segment *segment = find_allocated(bytes, 1);
    bool ours = segment != NULL && segment->bytes == bytes;
    if (ours) {
        segment->allocated = false;
        segment->looks--;
        settle(segment);
    }
    pthread_mutex_unlock(&lock);
    return ours;
}

bool segment_lend_allocated(const void *bytes, size_t length, struct segment_loan *loan)
{
    pthread_mutex_lock(&lock);
    struct segment *segment = find_allocated(bytes, length);
    bool lent = segment != NULL && !segment->lent && !segment->parted;
    if (lent) {
        segment->lent = true;
        segment->number = ++last_number;
        *loan = (struct segment_loan){segment->number, segment->fd, segment->bytes, segment->size};
    }
    pthread_mutex_unlock(&lock);
    return lent;
}

/* Where it fails, the two see each other as before; that was all that could be done. */
static void part(struct segment *segment)
{
    if (!segment->parted)
        (void)mmap(segment->bytes, segment->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, segment->fd, 0);
    segment->parted = true;
}

void segment_part(unsigned long long number)
{
    pthread_mutex_lock(&lock);
    struct segment *segment = find_lent(number);
    if (segment != NULL && segment->looks > 0)
        part(segment);
    pthread_mutex_unlock(&lock);
}

/* -- fork(2) ----------------------------------------------------------------------------------------------------- */

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
        if (segment->fd >= 0)
            close(segment->fd);
        segment->fd = -1;
        segment->lent = false; /* to the parent's client */
        if (segment->looks > 0) {
            total_bytes += segment->size;
            segments[kept++] = segment;
        } else {
            munmap(segment->bytes, segment->size);
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
            *used += segments[at]->size;
    pthread_mutex_unlock(&lock);
}
