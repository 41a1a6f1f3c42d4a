/* What the library needs for making environments, and what the BEAM cannot do: both last until the standard input
 * ends, as it does when the BEAM, or the process in it that wanted them, is gone. */
#ifndef PYTHONX_LOCK_H
#define PYTHONX_LOCK_H

/* Takes a lock on the file, which is made where it is not there, and waits for it where another has it; prints a line,
 * and holds it until the input ends. The exit status. */
int hold_lock(const char *path);

/* Runs a program, looked up on PATH, in a process group of its own, with no input. When our input ends before the
 * program does, the whole group is ended. The exit status is the program's. */
int hold_guard(char *const *arguments);

#endif
