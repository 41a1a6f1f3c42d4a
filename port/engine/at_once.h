/* Requests that do not wait for Python: they are answered, or done, by whatever thread read them. */
#ifndef PYTHONX_AT_ONCE_H
#define PYTHONX_AT_ONCE_H

#include <stdbool.h>

#include "info.h"
#include "request.h"
#include "writer.h"

/* False where the request is one that is to run. Otherwise it was served, and is still the caller's to free. */
bool at_once_serve(struct request *request, struct writer *writer, const struct info *info);

/* Something that runs has a verdict (flight.h): whoever runs it is to look. */
void at_once_interrupt(void);

#endif
