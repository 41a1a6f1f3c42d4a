/* Characters: UTF-8 in and out, and what Erlang makes of each of them. */
#ifndef PYTHONX_TEXT_CHAR_H
#define PYTHONX_TEXT_CHAR_H

#include <stdio.h>

#include "span.h"

/* Passes over one character; false, and no move, where none is left or the bytes are not UTF-8. */
bool text_char_take(struct span *span, uint32_t *character);

/* Writes a character as UTF-8 and returns how many bytes that took. */
size_t text_char_encode(unsigned char utf8[4], uint32_t character);
void text_char_print(FILE *out, uint32_t character);

/* False for what no UTF-8 can hold: surrogates, and what is beyond U+10FFFF. */
bool text_char_is_unicode(uint32_t character);

/* What `~tp` shows as a character (with `+pc unicode`); a list or binary with any other is shown as numbers. */
bool text_char_is_printable(uint32_t character);

bool text_char_is_space(uint32_t character);
bool text_char_is_digit(uint32_t character);

/* The value of a digit in any base up to 36; 36 where it is none. */
unsigned text_char_digit(uint32_t character);

/* Names that need no quotes: an atom's first character, a variable's, and what may follow either. */
bool text_char_starts_atom(uint32_t character);
bool text_char_starts_variable(uint32_t character);
bool text_char_continues_name(uint32_t character);

/* The letter after the backslash that stands for a control character, and back; 0 where there is none. */
char text_char_escape(uint32_t control);
char text_char_unescape(uint32_t letter);

enum text_word {
    TEXT_WORD_FREE,
    TEXT_WORD_NEW, /* reserved since OTP 27: written with quotes, read with or without */
    TEXT_WORD_RESERVED,
};

enum text_word text_word(const unsigned char *bytes, size_t length);

#endif
