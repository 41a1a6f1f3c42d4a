/* Reads External Term Format one head at a time out of a span: the tag, the size fields and, for a leaf, its bytes, all
 * checked against the span. Nothing here builds anything.
 * https://www.erlang.org/doc/apps/erts/erl_ext_dist */
#ifndef PYTHONX_TERM_H
#define PYTHONX_TERM_H

#include "wire/span.h"

#define TERM_VERSION 131
#define TERM_TAG_COMPRESSED 80

/* Tags of the terms that large values mostly consist of: codec/decode_leaf.h has a short way for these. */
enum {
    TERM_TAG_NEW_FLOAT = 70,
    TERM_TAG_SMALL_INTEGER = 97,
    TERM_TAG_INTEGER = 98,
    TERM_TAG_NIL = 106,
    TERM_TAG_BINARY = 109,
};

enum term_kind {
    TERM_INTEGER, /* fits 64 bits or not: see term_integer */
    TERM_FLOAT,
    TERM_ATOM,
    TERM_TUPLE,
    TERM_MAP,
    TERM_NIL,    /* the empty list */
    TERM_STRING, /* a list of bytes, as STRING_EXT */
    TERM_LIST,
    TERM_BINARY,
    TERM_BITSTRING,
    TERM_PID,
    TERM_PORT,
    TERM_REFERENCE,
    TERM_FUN,
};

struct term_head {
    enum term_kind kind;
    uint8_t tag;
    const unsigned char *start; /* the tag byte */
    const unsigned char *data;  /* a leaf's payload: atom text, binary, string bytes, big digits (little-endian) */
    size_t length;              /* of data, in bytes */
    size_t children;            /* terms that follow: tuple n, map 2n, list n + 1 (its tail comes last) */
    uint8_t detail;             /* big: 1 when negative; bitstring: bits used in the last byte, 1 to 8 */
};

enum term_status {
    TERM_OK,
    TERM_TRUNCATED, /* a size field announces more than the span holds */
    TERM_COMPRESSED,
    TERM_UNKNOWN,   /* a tag that this version does not read */
    TERM_MALFORMED, /* the sizes fit, the contents are invalid */
    /* of term_check alone: */
    TERM_SAME_KEY,
    TERM_TOO_DEEP,
    TERM_NO_MEMORY,
};

/* The levels of nested tuples, lists, maps and funs that term_check accepts. */
#define TERM_DEPTH_MAX 10000

/* Reads the head of the term at the span's position and moves past it: past the whole term for a leaf, to the
 * first child for a tuple, list or map. On failure the position is that of the offending tag. */
enum term_status term_read_head(struct span *span, struct term_head *head);

/* Moves past one whole term, however deep, without recursion. On failure as term_read_head. */
enum term_status term_skip(struct span *span);

/* Moves past one whole term that every BEAM reads, as term_skip does, and refuses any other: for terms that are sent
 * back verbatim. On failure the position is that of the offending term's tag. */
enum term_status term_check(struct span *span);

/* Returns "expected…, came…" in words, for messages; never NULL. */
const char *term_status_text(enum term_status status);

/* Returns whether the head is the atom `name`. Latin-1 atoms compare by their bytes, so `name` must be ASCII. */
bool term_is_atom(const struct term_head *head, const char *name);

/* Stores the value of an integer that fits 64 bits. Returns false for a larger one, and for a term that is no
 * integer. */
bool term_integer(const struct term_head *head, long long *value);

/* Returns where the first binary of at least `size` bytes has its bytes, as an offset into the span; 0 if none begins
 * in it. The span may be the beginning of a term alone. */
size_t term_find_binary(struct span span, size_t size);

/* Returns whether the atom's text is Latin-1 (ATOM_EXT and SMALL_ATOM_EXT), not UTF-8. */
bool term_atom_is_latin1(const struct term_head *head);

#endif
