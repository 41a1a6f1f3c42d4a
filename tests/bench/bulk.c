/* Measures the baselines of the bulk lanes: what a C program behind the same pipes does with the same bytes, and what
 * memcpy does. Each request frame is a letter and its argument; each is answered by one frame:
 *
 * - r BYTES: reads the frame, no more; answers with one byte
 * - w SIZE (4 bytes): answers with a frame of SIZE bytes
 * - m SIZE (4 bytes): copies SIZE bytes within warm memory; answers with the nanoseconds that it took (8 bytes) */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire/frame.h"
#include "write_all.h"

#define PIPE_SIZE (1024 * 1024)

static bool answer(const unsigned char *bytes, size_t length)
{
    unsigned char header[FRAME_HEADER];
    frame_put_length(header, length);
    return write_all(header, sizeof header) && write_all(bytes, length);
}

static unsigned long long nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec;
}

static size_t size_at(const struct frame *frame)
{
    const unsigned char *at = frame->bytes + 1;
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

/* Warm memory of twice the size, which is kept for the next request. */
static unsigned char *memory_of(size_t size)
{
    static unsigned char *memory;
    static size_t there;
    if (2 * size <= there)
        return memory;
    free(memory);
    memory = malloc(2 * size);
    there = memory == NULL ? 0 : 2 * size;
    if (memory != NULL)
        memset(memory, 1, there);
    return memory;
}

static bool time_copy(size_t size)
{
    unsigned char *memory = memory_of(size), took[8];
    if (memory == NULL)
        return false;
    unsigned long long start = nanoseconds();
    memcpy(memory + size, memory, size);
    unsigned long long time = nanoseconds() - start;
    for (int i = 0; i < 8; i++)
        took[i] = (unsigned char)(time >> (56 - 8 * i));
    return answer(took, sizeof took);
}

static bool serve(const struct frame *frame)
{
    static const unsigned char done = 1;
    if (frame->length == 0 || (frame->bytes[0] != 'r' && frame->length < 5))
        return false;
    if (frame->bytes[0] == 'r')
        return answer(&done, 1);
    size_t size = size_at(frame);
    if (frame->bytes[0] == 'm')
        return time_copy(size);
    unsigned char *memory = memory_of(size);
    return memory != NULL && answer(memory, size);
}

int main(void)
{
    (void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_SIZE);
    (void)fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_SIZE);
    struct frame_reader *reader = frame_reader_new(STDIN_FILENO, FRAME_LENGTH_MAX, NULL);
    struct frame frame = {0};
    enum frame_status status = reader == NULL ? FRAME_FAILED : FRAME_WAIT;
    while (status == FRAME_WAIT || status == FRAME_READY) {
        status = frame_reader_next(reader, &frame);
        if (status == FRAME_READY && !serve(&frame))
            status = FRAME_FAILED;
        frame_free(&frame);
    }
    frame_reader_free(reader);
    return status == FRAME_END ? EXIT_SUCCESS : EXIT_FAILURE;
}
