/* Writes a frame while other Python threads run. */
#ifndef PYTHONX_EMIT_H
#define PYTHONX_EMIT_H

#include <stdbool.h>

#include "python/py_api.h"
#include "wire/message.h"

/* Writes a finished message, which stays the caller's. Needs the GIL, and releases it meanwhile. */
void emit_message(const struct message *message);

/* Finishes the message, writes it and frees it. Returns false if memory is short. Needs the GIL. */
bool emit_and_free(struct message *message);

#endif
