/* Keeps the protocol's descriptors out of reach of Python code and of child processes. */
#ifndef PYTHONX_STD_FDS_H
#define PYTHONX_STD_FDS_H

#include <stdbool.h>

/* Moves *input and *output (usually 0 and 1) to private descriptors that no child inherits, puts fd 0 on /dev/null and
 * fd 1 on stderr, and enlarges the pipes. Returns false, with errno, if a call fails. */
bool std_fds_claim(int *input, int *output);

/* Returns true in a child that was forked after std_fds_claim. Its copies of the private descriptors are closed
 * already: a child that outlives the session must not keep the stream open. */
bool std_fds_forked(void);

#endif
