#include "os/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
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

static size_t part_size(const struct memfd *mapping)
{
    return mapping->second_fd >= 0 ? mapping->size / 2 : mapping->size;
}

static void map(const struct memfd *mapping, int flags)
{
    size_t part = part_size(mapping);
    (void)mmap(mapping->bytes, part, PROT_READ | PROT_WRITE, flags | MAP_FIXED, mapping->fd, 0);
    if (mapping->second_fd >= 0)
        (void)mmap(mapping->bytes + part, part, PROT_READ | PROT_WRITE, flags | MAP_FIXED, mapping->second_fd, 0);
}

#ifdef HAS_MEMFD
/* The descriptor of a file that is mapped at `bytes`; -1 where there is none to be had. */
static int make_file(unsigned char *bytes, size_t size)
{
    int fd = memfd_create("pythonx_port", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    /* Sealed: whoever shrinks the file, as an open for writing alone does, must not take the pages from under us. */
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

bool memfd_make(struct memfd *mapping, size_t size, unsigned files)
{
    size_t part = size / files;
    *mapping = (struct memfd){.fd = -1, .second_fd = -1, .size = size};
    /* Reserved as a whole, so that the files lie one behind the other. */
    mapping->bytes = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping->bytes == MAP_FAILED)
        return false;
    mapping->fd = make_file(mapping->bytes, part);
    if (mapping->fd >= 0 && files > 1)
        mapping->second_fd = make_file(mapping->bytes + part, part);
    if (mapping->fd >= 0 && (files == 1 || mapping->second_fd >= 0))
        return true;
    memfd_drop(mapping);
    return false;
}

void memfd_drop(struct memfd *mapping)
{
    munmap(mapping->bytes, mapping->size);
    memfd_close_files(mapping);
}

void memfd_detach(struct memfd *mapping)
{
    map(mapping, MAP_PRIVATE);
}

void memfd_close_files(struct memfd *mapping)
{
    if (mapping->fd >= 0)
        close(mapping->fd);
    if (mapping->second_fd >= 0)
        close(mapping->second_fd);
    mapping->fd = mapping->second_fd = -1;
}
