/* Erlang terms as text: what file:consult/1 reads, one term at a time, to External Term Format. Numbers, atoms,
 * strings, binaries, lists, tuples, maps and `fun m:f/1`; the text is UTF-8. */
#ifndef PYTHONX_TEXT_PARSE_H
#define PYTHONX_TEXT_PARSE_H

#include "message.h"
#include "text_scan.h"

/* Terms inside of terms. */
#define TEXT_DEPTH_MAX 10000

struct text_input {
    struct span text;        /* borrowed */
    struct text_place place; /* of the text's position */
};

/* A whole text, from its first line. */
struct text_input text_input_of(const void *bytes, size_t length);

enum text_parse_status {
    TEXT_TERM,  /* one term was appended */
    TEXT_NONE,  /* nothing but white space and comments is left */
    TEXT_ERROR, /* *error tells; the message is as it was */
};

/* Reads the next term and appends it, without a version byte. In every case the input stands after the term's full
 * stop, so that an error in one term leaves the next ones readable. */
enum text_parse_status text_parse_next(struct text_input *input, struct message *message, struct text_error *error);

#endif
