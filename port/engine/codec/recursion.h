/* Checks how deep a conversion may recurse: the limit on nesting suits the usual stack; threads and small ulimits have
 * less. */
#ifndef PYTHONX_RECURSION_H
#define PYTHONX_RECURSION_H

#include <stdbool.h>

/* Returns true if a term or an object at this depth is nested too deeply: over the limit, or the stack is nearly used
 * up. */
bool recursion_is_too_deep(unsigned depth);

#endif
