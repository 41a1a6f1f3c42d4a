/* Turns Python's exceptions into error replies. */
#ifndef PYTHONX_ERROR_REPLY_H
#define PYTHONX_ERROR_REPLY_H

#include "python/py_api.h"
#include "wire/message.h"
#include "wire/span.h"

/* Writes the reply for the current error, which it clears: `{error, Id, Map}` with the given kind. Needs the GIL. */
void error_reply_put(struct message *message, struct span id, const char *kind);

/* Writes a reply with the message alone, for an invalid request rather than an exception. */
void error_reply_put_refusal(struct message *message, struct span id, const char *kind);

#endif
