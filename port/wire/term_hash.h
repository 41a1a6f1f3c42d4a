/* Hashes terms: terms that a BEAM considers the same key (=:=) have the same hash, in whatever form each came.
 * Different terms have the same hash once in 2^64 times. */
#ifndef PYTHONX_TERM_HASH_H
#define PYTHONX_TERM_HASH_H

#include "wire/span.h"

/* Takes the place of a term's kind, so that 1 and [] and {} differ. */
enum term_hash_seed { HASH_INTEGER = 1, HASH_FLOAT, HASH_ATOM, HASH_BITS, HASH_NODE, HASH_FUN, HASH_TUPLE, HASH_MAP };

#define HASH_NIL UINT64_C(0x51ED270B9F1B3C55)

/* The factor of an element's hash for each element before it in its list. */
#define HASH_LIST_FACTOR UINT64_C(0xD6E8FEB86659FD93)

static inline uint64_t term_hash_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ (hash >> 31)) * UINT64_C(0x9E3779B97F4A7C15) + value;
    hash = (hash ^ (hash >> 32)) * UINT64_C(0xBF58476D1CE4E5B9);
    hash = (hash ^ (hash >> 29)) * UINT64_C(0x94D049BB133111EB);
    return hash ^ (hash >> 32);
}

static inline uint64_t term_hash_bytes(uint64_t hash, const unsigned char *bytes, size_t length)
{
    hash = term_hash_mix(hash, length);
    for (uint64_t word; length > 0;) {
        size_t size = length < sizeof word ? length : sizeof word;
        word = 0;
        memcpy(&word, bytes, size);
        hash = term_hash_mix(hash, word);
        bytes += size;
        length -= size;
    }
    return hash;
}

/* Appends `item` to a list's hash, which is linear in its elements: [1 | [2]] and [1, 2] are the same list. */
static inline void term_hash_append(uint64_t *hash, uint64_t *factor, uint64_t item)
{
    *hash += *factor * term_hash_mix(HASH_NIL, item);
    *factor *= HASH_LIST_FACTOR;
}

#endif
