/* What `info` answers: counters of the session and of the process, gathered without Python. */
#ifndef PYTHONX_INFO_H
#define PYTHONX_INFO_H

#include "wire/message.h"

/* What its own modules do not tell. */
struct info {
    size_t max_frame;
    unsigned long long bytes_in, bytes_out;
};

/* Remembers when the session began and which Python it runs (borrowed for good). */
void info_start(const char *python_version);

/* Appends the map. */
void info_put(struct message *message, const struct info *info);

#endif
