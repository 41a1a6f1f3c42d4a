/* Lists, tuples and maps whose size is known only when they end. Their head was written first, with no size in it,
 * and what they hold after it, up to the end of the message. They take the form that a BEAM gives them.
 * False where there are more elements than a size of 32 bits can say. */
#ifndef PYTHONX_TEXT_CLOSE_H
#define PYTHONX_TEXT_CLOSE_H

#include "message.h"

/* `head` is where the term begins in the message. */
bool text_close_list(struct message *message, size_t head, size_t count);
bool text_close_tuple(struct message *message, size_t head, size_t count);
bool text_close_map(struct message *message, size_t head, size_t pairs);

/* A list whose tail is the term at `tail`. [a | [b]] becomes [a, b]. */
bool text_close_tail(struct message *message, size_t head, size_t count, size_t tail);

#endif
