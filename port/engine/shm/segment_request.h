/* Answers the requests about segments at once, without Python. */
#ifndef PYTHONX_SEGMENT_REQUEST_H
#define PYTHONX_SEGMENT_REQUEST_H

#include <stdbool.h>

#include "wire/message.h"
#include "wire/request.h"

/* Answers `{segment, Id, Size}` by `{ok, Id, {'$segment', Number, Fd, 0, Size}}`, and `{segment, Id, Size, Opts}` by
 * `{ok, Id, {'$segment', Number, Fds, 0, Size, Generation}}`, with
 * `[{Device, Inode}]` behind that for the option `ids`; with nil for the segment if the limit does not allow it;
 * or by an error. */
void segment_request_lease(struct message *message, const struct request *request);

/* Answers `{fetch, Id, Number, Offset, Length}` by `{ok, Id, Binary}`, or by an error if the bytes are not in a leased
 * segment. */
void segment_request_fetch(struct message *message, const struct request *request);

/* Handles `{give_back, Numbers}`. Returns false if that is no list of numbers. */
bool segment_request_give_back(const struct request *request);

#endif
