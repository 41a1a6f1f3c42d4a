/* Requests that do not wait for Python: they are answered, or done, by whatever thread read them. */
#ifndef PYTHONX_CONTROL_H
#define PYTHONX_CONTROL_H

#include <stdbool.h>

#include "session/info.h"
#include "wire/request.h"
#include "wire/writer.h"

/* False where the request is one that is to run. Otherwise it was served, and is still the caller's to free. */
bool control_serve(struct request *request, struct writer *writer, const struct info *info);

/* Something that runs has a verdict (job.h): whoever runs it is to look. */
void control_interrupt(void);

#endif
