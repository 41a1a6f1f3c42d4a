/* Where a term ends in a text that comes piece by piece. */
#ifndef PYTHONX_TEXT_STOP_H
#define PYTHONX_TEXT_STOP_H

#include <stdbool.h>

/* Fed byte by byte, it finds the full stop of a term. All-zero is the start of a term. */
struct text_stop {
    enum {
        TEXT_BETWEEN,
        TEXT_COMMENT,
        TEXT_QUOTED,
        TEXT_CHARACTER, /* after '$' */
        TEXT_ESCAPE,    /* after a backslash */
        TEXT_CONTROL,   /* after a backslash and '^' */
        TEXT_POINT,
    } state;
    unsigned char quote; /* that ends what TEXT_ESCAPE and TEXT_CONTROL are part of; 0: a character */
};

/* True where the byte comes right after a full stop: it is not part of the term. */
bool text_stop_before(struct text_stop *stop, unsigned char byte);

#endif
