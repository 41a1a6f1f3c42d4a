/* Reads the section of dynamic symbols from a map of the file. Each offset in it is checked before use, since the file
 * may be cut off, or no program at all. */
#include "launcher/elf.h"

#include "os/platform.h"

#ifdef PLATFORM_IS_LINUX
#    include <elf.h>
#    include <link.h>
#    include <stdint.h>
#    include <sys/mman.h>
#    include <sys/stat.h>

struct image {
    const unsigned char *bytes;
    size_t size;
};

#    if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#        define NATIVE_ORDER ELFDATA2LSB
#    else
#        define NATIVE_ORDER ELFDATA2MSB
#    endif
#    define NATIVE_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)

static bool open_image(const char *path, struct image *image)
{
    struct stat status;
    void *bytes = MAP_FAILED;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        return false;
    *image = (struct image){.bytes = bytes, .size = (size_t)status.st_size};
    return true;
}

static void close_image(const struct image *image)
{
    /* munmap(2) changes no bytes, despite its type. */
    (void)munmap((void *)(uintptr_t)image->bytes, image->size);
}

/* Copies what stands at the offset: it need not be aligned. */
static bool copy_from(const struct image *image, uint64_t offset, void *to, size_t length)
{
    if (offset > image->size || length > image->size - offset)
        return false;
    memcpy(to, image->bytes + offset, length);
    return true;
}

static bool read_section(const struct image *image, const ElfW(Ehdr) * header, uint64_t index, ElfW(Shdr) * section)
{
    return index < header->e_shnum && header->e_shoff <= image->size &&
           copy_from(image, header->e_shoff + index * sizeof *section, section, sizeof *section);
}

/* Finds the table of dynamic symbols, and that of their names. */
static bool find_tables(const struct image *image, ElfW(Shdr) * symbols, ElfW(Shdr) * names)
{
    ElfW(Ehdr) header;
    if (!copy_from(image, 0, &header, sizeof header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != NATIVE_CLASS || header.e_ident[EI_DATA] != NATIVE_ORDER ||
        header.e_shentsize != sizeof(ElfW(Shdr)))
        return false;
    for (uint64_t i = 0; read_section(image, &header, i, symbols); i++) {
        if (symbols->sh_type == SHT_DYNSYM)
            return read_section(image, &header, symbols->sh_link, names) && names->sh_offset <= image->size &&
                   names->sh_size <= image->size - names->sh_offset;
    }
    return false;
}

/* Compares a name of the table, which may lack the end of its last name. */
static bool is_named(const struct image *image, const ElfW(Shdr) * names, uint64_t at, const char *name)
{
    size_t length = strlen(name) + 1;
    return at < names->sh_size && length <= names->sh_size - at &&
           memcmp(image->bytes + names->sh_offset + at, name, length) == 0;
}

void elf_find_symbols(const char *path, const char *const *names, enum elf_symbol *found, int count)
{
    struct image image;
    ElfW(Shdr) symbols, texts;
    ElfW(Sym) symbol;
    for (int k = 0; k < count; k++)
        found[k] = ELF_SYMBOL_ABSENT;
    if (!open_image(path, &image))
        return;
    uint64_t bytes = find_tables(&image, &symbols, &texts) ? symbols.sh_size : 0;
    for (uint64_t at = 0; at < bytes && copy_from(&image, symbols.sh_offset + at, &symbol, sizeof symbol);
         at += sizeof symbol) {
        for (int k = 0; k < count; k++)
            if (is_named(&image, &texts, symbol.st_name, names[k]))
                found[k] = symbol.st_shndx == SHN_UNDEF ? ELF_SYMBOL_UNDEFINED : ELF_SYMBOL_DEFINED;
    }
    close_image(&image);
}
#else
void elf_find_symbols(const char *path, const char *const *names, enum elf_symbol *found, int count)
{
    (void)path;
    (void)names;
    for (int k = 0; k < count; k++)
        found[k] = ELF_SYMBOL_ABSENT;
}
#endif
