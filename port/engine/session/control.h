/* Handles the requests that must not wait for Python, on the thread that reads them. */
#ifndef PYTHONX_CONTROL_H
#define PYTHONX_CONTROL_H

#include <stdbool.h>

#include "wire/request.h"

/* Handles the request and returns true, or returns false if it is one that must run. The caller keeps ownership in both
 * cases. Must be called without the session's lock. */
bool control_serve(struct request *request);

#endif
