/* Sends each {packet, 4} frame back as it came: the least that a port program can do, and the baseline of
 * round_trip. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/frame.h"
#include "write_all.h"

#define PIPE_SIZE ((size_t)1024 * 1024)

static size_t frame_size(const unsigned char *at)
{
    return FRAME_HEADER + ((size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3]);
}

/* Whole frames at the buffer's start are written and dropped from it. */
static bool echo_whole_frames(unsigned char *buffer, size_t *filled)
{
    size_t whole = 0;
    while (*filled - whole >= FRAME_HEADER && frame_size(buffer + whole) <= *filled - whole)
        whole += frame_size(buffer + whole);
    if (!write_all(buffer, whole))
        return false;
    memmove(buffer, buffer + whole, *filled - whole);
    *filled -= whole;
    return true;
}

/* Makes room for the frame that the buffer begins with, or for a read of a whole pipe. */
static bool make_room(unsigned char **buffer, size_t *capacity, size_t filled)
{
    size_t wanted = filled >= FRAME_HEADER ? frame_size(*buffer) : 0;
    if (wanted < PIPE_SIZE)
        wanted = PIPE_SIZE;
    if (wanted <= *capacity)
        return true;
    unsigned char *larger = realloc(*buffer, wanted);
    if (larger == NULL)
        return false;
    *buffer = larger;
    *capacity = wanted;
    return true;
}

int main(void)
{
    unsigned char *buffer = NULL;
    size_t filled = 0, capacity = 0;
    /* As the port does. */
    (void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, (int)PIPE_SIZE);
    (void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, (int)PIPE_SIZE);
    for (;;) {
        ssize_t count = -1;
        if (make_room(&buffer, &capacity, filled))
            count = read(STDIN_FILENO, buffer + filled, capacity - filled);
        if (count <= 0) {
            free(buffer);
            return count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        }
        filled += (size_t)count;
        if (!echo_whole_frames(buffer, &filled)) {
            perror("echo");
            free(buffer);
            return EXIT_FAILURE;
        }
    }
}
