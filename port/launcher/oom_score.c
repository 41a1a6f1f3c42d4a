/* Reads and writes /proc/self/oom_score_adj. Children inherit the score. */
#include "launcher/oom_score.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/platform.h"

#ifdef PLATFORM_IS_LINUX
#    define SCORE_FILE "/proc/self/oom_score_adj"

bool oom_score_read(int *score)
{
    char text[16];
    int fd = open(SCORE_FILE, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (length <= 0)
        return false;
    text[length] = '\0';
    *score = (int)strtol(text, NULL, 10);
    return true;
}

bool oom_score_set(int score)
{
    char text[16];
    int length = snprintf(text, sizeof text, "%d", score);
    int fd = open(SCORE_FILE, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, (size_t)length) == length;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return done;
}
#else
bool oom_score_read(int *score)
{
    (void)score;
    return false;
}

bool oom_score_set(int score)
{
    (void)score;
    return true;
}
#endif
