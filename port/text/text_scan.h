/* Erlang text, cut into tokens. */
#ifndef PYTHONX_TEXT_SCAN_H
#define PYTHONX_TEXT_SCAN_H

#include <stdio.h>

#include "message.h"
#include "span.h"

/* Where in a text, counted from 1; a column is a character. */
struct text_place {
    size_t line;
    size_t column;
};

/* "expected …, got …", or where nothing was expected, what the problem is. */
struct text_error {
    struct text_place place;
    const char *expected;
    const char *problem;
    struct span got; /* borrowed from the text; empty: the text ended */
};

/* Prints "line 3, column 7: expected ',' or '}', got '.'" without a newline. */
void text_error_print(FILE *out, const struct text_error *error);

enum text_token_kind {
    TEXT_TOKEN_END,  /* of the text */
    TEXT_TOKEN_STOP, /* a point with white space, a comment or nothing after it */
    TEXT_TOKEN_INTEGER,
    TEXT_TOKEN_CHARACTER,
    TEXT_TOKEN_FLOAT,
    TEXT_TOKEN_ATOM,
    TEXT_TOKEN_STRING, /* adjacent strings are one */
    TEXT_TOKEN_FUN,
    TEXT_TOKEN_PLUS,
    TEXT_TOKEN_MINUS,
    TEXT_TOKEN_COMMA,
    TEXT_TOKEN_COLON,
    TEXT_TOKEN_SLASH,
    TEXT_TOKEN_BAR,
    TEXT_TOKEN_ARROW,
    TEXT_TOKEN_HASH,
    TEXT_TOKEN_OPEN_BRACE,
    TEXT_TOKEN_CLOSE_BRACE,
    TEXT_TOKEN_OPEN_BRACKET,
    TEXT_TOKEN_CLOSE_BRACKET,
    TEXT_TOKEN_OPEN_PARENTHESIS,
    TEXT_TOKEN_CLOSE_PARENTHESIS,
    TEXT_TOKEN_OPEN_BINARY,
    TEXT_TOKEN_CLOSE_BINARY,
    TEXT_TOKEN_OTHER, /* what no term begins or goes on with: a variable, a reserved word, a sign */
};

struct text_token {
    enum text_token_kind kind;
    struct text_place place;
    struct span source; /* as it stands in the text */
    struct span text;   /* atom, string: UTF-8, valid until the next token; integer: its digits */
    unsigned base;      /* integer */
    uint32_t character; /* character */
    double real;        /* float */
};

struct text_scanner {
    struct span input;
    struct text_place place;  /* of the input's position */
    struct message unescaped; /* a buffer that grows: the text of the last atom or string; message_free when done */
    struct text_error *error;
};

/* False with *scanner->error filled in where no token can be read. */
bool text_scan_next(struct text_scanner *scanner, struct text_token *token);

/* False, always, after saying what was wrong. */
bool text_scan_refuse(struct text_scanner *scanner, const struct text_token *token, const char *problem);
bool text_scan_unexpected(struct text_scanner *scanner, const struct text_token *token, const char *expected);

#endif
