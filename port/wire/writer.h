/* Writes frames from any thread, whole and one after the other. */
#ifndef PYTHONX_WRITER_H
#define PYTHONX_WRITER_H

#include <stdbool.h>

#include "wire/message.h"

struct writer;

/* Returns a writer to `fd`, which stays the caller's, or NULL if memory is short. It lives until the process ends. */
struct writer *writer_new(int fd);

/* Keeps the messages that are sent from now on, up to 16 MiB of them, until writer_begin. */
void writer_hold(struct writer *writer);

/* Writes this message, then those that were kept, in their order; from now on messages are written as they are sent.
 * Returns as writer_send does. */
bool writer_begin(struct writer *writer, const struct message *message);

/* Writes a finished message. Blocks while the client reads slowly, so it must be called without the GIL. Returns false
 * if the client is gone; from then on every call returns false at once. Pins are not released here. */
bool writer_send(struct writer *writer, const struct message *message);

/* Finishes a message without pins, sends it, and frees it. Returns as writer_send does. */
bool writer_send_and_free(struct writer *writer, struct message *message);

/* Refuses all later messages: for a forked child, whose descriptors are the parent's. Async-signal-safe. */
void writer_disable(struct writer *writer);

/* Returns true if a write failed because the client has closed its end. */
bool writer_is_broken(const struct writer *writer);

/* Returns how many bytes were written so far. */
unsigned long long writer_bytes(const struct writer *writer);

#endif
