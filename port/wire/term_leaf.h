/* Checks the leaves of terms as a BEAM does when it reads them. */
#ifndef PYTHONX_TERM_LEAF_H
#define PYTHONX_TERM_LEAF_H

#include "wire/term.h"

/* Returns whether a BEAM reads the leaf whose head this is: not a tuple, list, map or closure. Adds its hash
 * (term_hash.h) to *hash unless that is NULL. */
bool term_leaf_check(const struct term_head *head, uint64_t *hash);

#endif
