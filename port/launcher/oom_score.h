/* Sets how soon the kernel kills this process, and not its client, if memory runs out (proc(5), oom_score_adj). On
 * systems without such a score nothing is done. */
#ifndef PYTHONX_OOM_SCORE_H
#define PYTHONX_OOM_SCORE_H

#include <stdbool.h>

/* Scores lie between this number and its negative. */
#define OOM_SCORE_MOST 1000

/* Returns false if the system has no such score. */
bool oom_score_read(int *score);

/* Sets the score, which needs a privilege if it becomes lower. Returns false, with errno, if that fails. */
bool oom_score_set(int score);

#endif
