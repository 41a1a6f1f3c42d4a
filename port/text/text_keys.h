/* The keys of the maps that are being read, for finding the same one twice. */
#ifndef PYTHONX_TEXT_KEYS_H
#define PYTHONX_TEXT_KEYS_H

#include "text_scan.h"

struct text_key {
    size_t start, length;       /* in the message */
    const unsigned char *bytes; /* set while they are compared: the message may move before */
    struct text_place place;
};

/* All-zero has none; free `at` when done. A map inside of another one adds its keys behind those of the outer. */
struct text_keys {
    struct text_key *at;
    size_t count, room;
};

/* A key begins, and the last one that began ends. Begin is false where memory is short. */
bool text_keys_begin(struct text_keys *keys, size_t start, struct text_place place);
void text_keys_end(struct text_keys *keys, size_t end);

/* Drops the keys from `first` on, which are one map's. False, with the place of the later one, where two of them have
 * the same bytes in the message. */
bool text_keys_close(struct text_keys *keys, size_t first, const unsigned char *message, struct text_place *again);

#endif
