/* Maps files of memfd_create(2), one behind the other. */
#include "os/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/platform.h"

#if defined(PLATFORM_IS_LINUX) && defined(MFD_CLOEXEC)
#    define HAS_MEMFD
#endif

bool memfd_is_supported(void)
{
#ifdef HAS_MEMFD
    int fd = memfd_create("pythonx_port", MFD_CLOEXEC);
    bool supported = fd >= 0 && access("/proc/self/fd", X_OK) == 0;
    if (fd >= 0)
        close(fd);
    return supported;
#else
    return false;
#endif
}

static size_t find_part_size(const struct memfd *memfd)
{
    return memfd->second_fd >= 0 ? memfd->size / 2 : memfd->size;
}

static void map_files(const struct memfd *memfd, int flags)
{
    size_t part = find_part_size(memfd);
    (void)mmap(memfd->bytes, part, PROT_READ | PROT_WRITE, flags | MAP_FIXED, memfd->fd, 0);
    if (memfd->second_fd >= 0)
        (void)mmap(memfd->bytes + part, part, PROT_READ | PROT_WRITE, flags | MAP_FIXED, memfd->second_fd, 0);
}

#ifdef HAS_MEMFD
/* Returns the descriptor of a new file that is mapped at `bytes`, or -1 if the system has no more. */
static int make_file(unsigned char *bytes, size_t size)
{
    int fd = memfd_create("pythonx_port", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    /* Sealed: a client that shrinks the file, as opening it for writing may do, would take the pages from under us. */
    if (ftruncate(fd, (off_t)size) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0 ||
        mmap(bytes, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        close(fd);
        return -1;
    }
    return fd;
}
#else
static int make_file(unsigned char *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    return -1;
}
#endif

static bool find_id(int fd, struct memfd_id *id)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    *id = (struct memfd_id){(unsigned long long)status.st_dev, (unsigned long long)status.st_ino};
    return true;
}

bool memfd_make(struct memfd *memfd, size_t size, unsigned files)
{
    size_t part = size / files;
    *memfd = (struct memfd){.fd = -1, .second_fd = -1, .size = size};
    /* Reserved as a whole, so that the files lie one behind the other. */
    memfd->bytes = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memfd->bytes == MAP_FAILED)
        return false;
    memfd->fd = make_file(memfd->bytes, part);
    if (memfd->fd >= 0 && files > 1)
        memfd->second_fd = make_file(memfd->bytes + part, part);
    if (memfd->fd >= 0 && find_id(memfd->fd, &memfd->id) &&
        (files == 1 || (memfd->second_fd >= 0 && find_id(memfd->second_fd, &memfd->second_id))))
        return true;
    memfd_drop(memfd);
    return false;
}

void memfd_drop(struct memfd *memfd)
{
    munmap(memfd->bytes, memfd->size);
    memfd_close_files(memfd);
}

void memfd_detach(struct memfd *memfd)
{
    map_files(memfd, MAP_PRIVATE);
}

static bool read_file(int fd, size_t offset, unsigned char *buffer, size_t length)
{
    while (length > 0) {
        ssize_t count = pread(fd, buffer, length, (off_t)offset);
        if (count <= 0 && (count == 0 || errno != EINTR))
            return false;
        if (count < 0)
            continue;
        buffer += count;
        offset += (size_t)count;
        length -= (size_t)count;
    }
    return true;
}

bool memfd_read(const struct memfd *memfd, size_t offset, void *buffer, size_t length)
{
    size_t part = find_part_size(memfd), first = offset < part ? part - offset : 0;
    if (first > length)
        first = length;
    return read_file(memfd->fd, offset, buffer, first) &&
           (first == length ||
            read_file(memfd->second_fd, offset + first - part, (unsigned char *)buffer + first, length - first));
}

void memfd_close_files(struct memfd *memfd)
{
    if (memfd->fd >= 0)
        close(memfd->fd);
    if (memfd->second_fd >= 0)
        close(memfd->second_fd);
    memfd->fd = memfd->second_fd = -1;
}
