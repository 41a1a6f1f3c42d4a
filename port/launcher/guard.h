/* Runs a program that must not outlive its client: `pythonx_port guard`. */
#ifndef PYTHONX_GUARD_H
#define PYTHONX_GUARD_H

/* Runs a program, found on PATH, in a process group of its own, without input. If the standard input ends before the
 * program does, ends the whole group. Returns the exit status, which is the program's. */
int guard_run(char *const *arguments);

#endif
