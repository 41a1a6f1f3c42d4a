/* Answers the requests about segments at once, without Python. */
#ifndef PYTHONX_SEGMENT_REQUEST_H
#define PYTHONX_SEGMENT_REQUEST_H

#include <stdbool.h>

#include "wire/message.h"
#include "wire/request.h"

/* `{segment, Id, Size}`: appends `{ok, Id, {'$segment', Number, Fd, 0, Size}}`; with options, `{segment, Id, Size,
 * Opts}`,
 * `{'$segment', Number, Fds, 0, Size, Made}`; with nil for the segment where the limit does not allow it; or an error.
 */
void segment_request_lease(struct message *message, const struct request *request);

/* `{give_back, Numbers}`: returns false if that is no list of numbers. */
bool segment_request_give_back(const struct request *request);

#endif
