/* Appends bytes to messages: small ones are copied, large ones are written from where they lie, and if the client wants
 * it (message->share_from) they go through a segment. All functions need the GIL. */
#ifndef PYTHONX_LARGE_BINARY_H
#define PYTHONX_LARGE_BINARY_H

#include "python/py_api.h"
#include "wire/message.h"

/* Appends a binary, or `{'$segment', Number, Fd, Offset, Length, Size}`, with Device and Inode behind that if the
 * client wants them (message->share_ids). Takes `owner` over: release(owner) is called once the bytes are not needed
 * any more, which may be before the return. Returns 0, or -1 with an EncodeError set. */
int large_binary_put(struct message *message, const void *bytes, size_t length, void (*release)(void *owner),
                     void *owner);

/* Appends the bytes of a contiguous view, allocated by malloc, likewise: takes it over, and releases and frees it. */
int large_binary_put_view(struct message *message, Py_buffer *view);

/* Appends the last element of a message: the numbers of the segments that it refers to, for a client that passes the
 * message on without reading it. */
void large_binary_put_leases(struct message *message);

/* Appends the bytes of a view of a temporary, whose memory Python is about to free: if they lie in a segment, the
 * client gets that segment. */
int large_binary_put_temporary(struct message *message, Py_buffer *view);

/* Must be called once the encoded object was released. A temporary may still exist, if other code found it meanwhile
 * (by a weak reference, or the garbage collector's lists): its later changes do not reach the message. */
void large_binary_detach(const struct message *message);

/* Releases the segments of a message that will not be sent. */
void large_binary_abandon(struct message *message);

#endif
