/* Python's exceptions as error replies. */
#ifndef PYTHONX_ERROR_REPLY_H
#define PYTHONX_ERROR_REPLY_H

#include "python/py_api.h"
#include "wire/message.h"
#include "wire/span.h"

/* Writes the reply for the current error, which it clears: `{error, Id, Map}` with the given kind. Needs the GIL. */
void error_reply_put(struct message *message, struct span id, const char *kind);

/* The same with the message alone: for what is wrong with a request rather than raised by Python. */
void error_reply_put_refusal(struct message *message, struct span id, const char *kind);

#endif
