/* Looks up what a program or library exports, in its ELF file: elf(5). */
#ifndef PYTHONX_ELF_H
#define PYTHONX_ELF_H

enum elf_symbol {
    ELF_SYMBOL_ABSENT,    /* or the file is none of this system's programs */
    ELF_SYMBOL_UNDEFINED, /* another file must define it */
    ELF_SYMBOL_DEFINED,
};

/* Looks each of the `count` names up among the dynamic symbols of the file. */
void elf_find_symbols(const char *path, const char *const *names, enum elf_symbol *found, int count);

#endif
