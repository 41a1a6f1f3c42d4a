/* Writes a frame while other threads of Python run. */
#ifndef PYTHONX_EMIT_H
#define PYTHONX_EMIT_H

#include <stdbool.h>

#include "python/py_api.h"
#include "wire/message.h"

/* With the GIL, which is given up meanwhile. The message is finished, and stays the caller's. */
void emit_message(const struct message *message);

/* Finishes the message, writes and frees it. False if memory is short. */
bool emit_and_free(struct message *message);

#endif
