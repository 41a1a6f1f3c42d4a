/* Counts the distinct atoms that Python has made up and sent: a BEAM never frees an atom, and ends when it has too
 * many. Free are the atoms that the client has sent in values, and those that every client knows. All functions need
 * the GIL. */
#ifndef PYTHONX_ATOM_BUDGET_H
#define PYTHONX_ATOM_BUDGET_H

#include <stddef.h>
#include <stdint.h>

#include "python/py_api.h"

/* The atoms that one term was the first to contain. */
struct atom_list {
    uint64_t *keys; /* owned */
    size_t count;
};

/* Sets how many atoms Python may make up. */
void atom_budget_start(size_t limit);

/* Notes an atom that the client has sent. Sets no error: one that cannot be kept is counted if Python sends it. */
void atom_budget_note(PyObject *atom);

/* Begins a term, with an empty list. Terms may be encoded within others, and on several threads by turns. */
void atom_budget_begin(void);

/* Admits an atom to a term that was begun, and adds it to the term's list if it is new. Returns 0, or -1 with an error
 * set: an EncodeError if there were too many. */
int atom_budget_admit(PyObject *atom, struct atom_list *created);

/* Ends a term. If it will not be sent, the atoms that it alone contains are not counted. Frees the list. */
void atom_budget_end(struct atom_list *created, int failed);

#endif
