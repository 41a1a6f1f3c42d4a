/* Holds a lock on a file for a client that cannot: `pythonx_port lock`. */
#ifndef PYTHONX_LOCK_H
#define PYTHONX_LOCK_H

/* Waits for a lock on the file, which is created if it does not exist, prints a line, and holds the lock until the
 * standard input ends, as it does when the client ends. Returns the exit status. */
int lock_hold(const char *path);

#endif
