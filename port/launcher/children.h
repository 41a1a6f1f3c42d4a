/* Ends what a session leaves behind: the processes that Python has started. Runs in a process of its own, which the
 * engine starts before the first of them (python/child_guard.h), so that it also ends those of a session that was
 * killed. */
#ifndef PYTHONX_CHILDREN_H
#define PYTHONX_CHILDREN_H

/* Takes the session's pid, and optionally the oom_score_adj for the guard itself. The standard input must be a pidfd of
 * the session. Returns the exit status, once the session has ended and nothing is left. */
int children_guard(char *const *arguments);

#endif
