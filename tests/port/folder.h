/* Makes a temporary folder for the files of a test. One at a time; paths are relative to it. */
#ifndef PYTHONX_TESTS_FOLDER_H
#define PYTHONX_TESTS_FOLDER_H

#include <stdbool.h>

/* Checked fixtures: make it and remove it with all that is in it. */
void folder_make(void);
void folder_remove(void);

/* Returns the absolute path of a file in it; "" is the folder's own. Valid until the 32nd call from here. */
const char *folder_path(const char *path);

/* Each function makes the folders above the file, too. */
void folder_write(const char *path, const char *text);
void folder_write_program(const char *path, const char *text);
void folder_link(const char *path, const char *target);

#endif
