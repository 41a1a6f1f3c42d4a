/* Finds the files that belong to the launcher. */
#ifndef PYTHONX_OWN_FILES_H
#define PYTHONX_OWN_FILES_H

/* Returns the path of a file that is installed with the launcher, beside it or in ../lib/pythonx_port, which the caller
 * must free; NULL if it is in neither, or memory is short. */
char *own_files_path(const char *name);

/* Returns the path of pythonx_engine.so, likewise. */
char *own_files_engine(void);

#endif
