/* Keeps the frames of a session, both ways, and ends the program with them when the model finds a fault. */
#ifndef PYTHONX_TESTS_HISTORY_H
#define PYTHONX_TESTS_HISTORY_H

#include <stddef.h>
#include <stdint.h>

/* Monotonic. */
uint64_t now_us(void);

/* Forgets all frames. `on_finding` is called once, after a finding was printed and before exit. All frames that are
 * kept are then written to the file at `path`, unless it is NULL. */
void history_start(void (*on_finding)(void), const char *path);

/* Keeps a frame that was sent, in the notation of terms.h, or one that came, as it came. */
void history_sent(const char *text);
void history_received(const unsigned char *bytes, size_t length);

/* Makes all frames about this request or call part of the next finding, until they are forgotten. */
void history_concern(long long id);
void history_forget(void);

/* Prints the text, the frames named above, and the last frames each way; exits with status 1. */
_Noreturn void finding(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
