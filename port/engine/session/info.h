/* Answers `info`: counters of the session and of the process, gathered without Python. */
#ifndef PYTHONX_INFO_H
#define PYTHONX_INFO_H

#include "wire/message.h"

/* Appends the map; PROTOCOL.md lists its keys. Must be called without the session's lock. */
void info_put(struct message *message);

#endif
