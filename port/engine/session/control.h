/* Does what must not wait for Python: such requests are done, and answered, by the thread that reads them. */
#ifndef PYTHONX_CONTROL_H
#define PYTHONX_CONTROL_H

#include <stdbool.h>

#include "wire/request.h"

/* False if the request is one that is to run. Otherwise it was done, and is still the caller's to free. Without the
 * session's lock. */
bool control_serve(struct request *request);

#endif
