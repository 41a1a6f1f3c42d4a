/* Keeps frames in a ring, as the bytes that came: they are printed only for a finding, since printing takes long. */
#include "history.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <check.h>

#include "terms.h"
#include "wire/span.h"

#define FRAMES 65536
#define FRAME_BYTES 320
#define LAST_SHOWN 60
#define CONCERNED_SHOWN 100
#define CONCERNS 16

static struct frame_kept {
    uint64_t at;
    size_t length;
    bool sent;
    unsigned char bytes[FRAME_BYTES];
} frames[FRAMES];

static size_t frame_count;
static uint64_t started_at;
static long long concerns[CONCERNS];
static size_t concern_count;
static void (*when_found)(void);
static const char *all_path;

uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void history_start(void (*on_finding)(void), const char *path)
{
    all_path = path;
    frame_count = 0;
    concern_count = 0;
    started_at = now_us();
    when_found = on_finding;
}

static void keep(bool sent, const void *bytes, size_t length)
{
    struct frame_kept *frame = &frames[frame_count++ % FRAMES];
    frame->at = now_us();
    frame->sent = sent;
    frame->length = length < FRAME_BYTES ? length : FRAME_BYTES;
    memcpy(frame->bytes, bytes, frame->length);
}

void history_sent(const char *text)
{
    keep(true, text, strlen(text));
}

void history_received(const unsigned char *bytes, size_t length)
{
    keep(false, bytes, length);
}

void history_concern(long long id)
{
    if (concern_count < CONCERNS)
        concerns[concern_count++] = id;
}

void history_forget(void)
{
    concern_count = 0;
}

static char *show(const struct frame_kept *frame)
{
    if (frame->sent)
        return strndup((const char *)frame->bytes, frame->length);
    struct span span = span_of(frame->bytes, frame->length);
    span.position = 1; /* behind the version */
    return terms_show(span);
}

/* Returns true if the number is in the text as a word of its own. */
static bool names(const char *text, long long id)
{
    char number[32];
    int length = snprintf(number, sizeof number, "%lld", id);
    for (const char *at = strstr(text, number); at != NULL; at = strstr(at + 1, number))
        if ((at == text || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[length]))
            return true;
    return false;
}

static bool is_concerned(const char *text)
{
    for (size_t i = 0; i < concern_count; i++)
        if (names(text, concerns[i]))
            return true;
    return false;
}

static void print_frames(FILE *out, size_t from, bool concerned_only)
{
    size_t shown = 0;
    for (size_t i = from; i < frame_count && (shown < CONCERNED_SHOWN || !concerned_only); i++) {
        const struct frame_kept *frame = &frames[i % FRAMES];
        char *text = show(frame);
        if (!concerned_only || is_concerned(text)) {
            fprintf(out, "%10.6f %s %s\n", (double)(frame->at - started_at) / 1e6, frame->sent ? "->" : "<-", text);
            shown++;
        }
        free(text);
    }
}

static void print_history(void)
{
    size_t oldest = frame_count > FRAMES ? frame_count - FRAMES : 0;
    if (concern_count > 0) {
        puts("frames about it (seconds of the session, -> to the port, <- from it):");
        print_frames(stdout, oldest, true);
    }
    puts("the last frames:");
    print_frames(stdout, frame_count > LAST_SHOWN ? frame_count - LAST_SHOWN : 0, false);
    FILE *all = all_path == NULL ? NULL : fopen(all_path, "we");
    if (all != NULL) {
        print_frames(all, oldest, false);
        fclose(all);
    }
    printf("%10.6f now\n", (double)(now_us() - started_at) / 1e6);
}

static _Noreturn void end(void)
{
    void (*call)(void) = when_found;
    when_found = NULL; /* a fault inside of this must not lead here again */
    if (call != NULL) {
        print_history();
        call();
    }
    fflush(stdout);
    exit(EXIT_FAILURE);
}

_Noreturn void finding(const char *format, ...)
{
    va_list arguments;
    fputs("FINDING: ", stdout);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    puts("");
    end();
}

/* -- what terms.c calls: Check's own reports need a test that Check runs ------------------------------------------ */

void _mark_point(const char *file, int line)
{
    (void)file;
    (void)line;
}

void _ck_assert_failed(const char *file, int line, const char *expression, const char *format, ...)
{
    va_list arguments;
    printf("FINDING: %s:%d: %s: ", file, line, expression);
    va_start(arguments, format);
    if (format != NULL)
        vprintf(format, arguments);
    va_end(arguments);
    puts("");
    end();
}
