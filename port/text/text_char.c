/* UTF-8, and Erlang's classes of characters (erl_scan and io_lib of its standard library). */
#include "text_char.h"

#define LAST_CHARACTER 0x10FFFF
#define FIRST_SURROGATE 0xD800
#define LAST_SURROGATE 0xDFFF
#define MULTIPLICATION_SIGN 0xD7
#define DIVISION_SIGN 0xF7

/* The length that the first byte announces; 0 where no character begins with it. */
static size_t announced(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xC2)
        return 0;
    if (first < 0xE0)
        return 2;
    if (first < 0xF0)
        return 3;
    return first < 0xF5 ? 4 : 0;
}

bool text_char_take(struct span *span, uint32_t *character)
{
    static const uint32_t fewest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (span_left(span) == 0)
        return false;
    const unsigned char *at = span_here(span);
    size_t length = announced(at[0]);
    if (length == 0 || length > span_left(span))
        return false;
    uint32_t value = length == 1 ? at[0] : at[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return false;
        value = value << 6 | (at[i] & 0x3Fu);
    }
    /* Longer than it had to be: not UTF-8. */
    if (value < fewest[length] || !text_char_is_unicode(value))
        return false;
    span_take(span, length);
    *character = value;
    return true;
}

size_t text_char_encode(unsigned char utf8[4], uint32_t character)
{
    if (character < 0x80) {
        utf8[0] = (unsigned char)character;
        return 1;
    }
    size_t length = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        utf8[i] = (unsigned char)(0x80 | (character & 0x3F));
        character >>= 6;
    }
    utf8[0] = (unsigned char)((0xF00 >> length & 0xFF) | character);
    return length;
}

void text_char_print(FILE *out, uint32_t character)
{
    unsigned char utf8[4];
    size_t length = text_char_encode(utf8, character);
    fwrite(utf8, 1, length, out);
}

bool text_char_is_unicode(uint32_t character)
{
    return character <= LAST_CHARACTER && (character < FIRST_SURROGATE || character > LAST_SURROGATE);
}

bool text_char_is_printable(uint32_t character)
{
    if (character < 0xA0)
        return (character >= ' ' && character <= '~') || (character != 0x7F && text_char_escape(character) != 0);
    return text_char_is_unicode(character) && character != 0xFFFE && character != 0xFFFF;
}

bool text_char_is_space(uint32_t character)
{
    return character <= ' ' || (character >= 0x80 && character <= 0xA0);
}

bool text_char_is_digit(uint32_t character)
{
    return character >= '0' && character <= '9';
}

unsigned text_char_digit(uint32_t character)
{
    if (text_char_is_digit(character))
        return character - '0';
    if (character >= 'A' && character <= 'Z')
        return character - 'A' + 10;
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 10;
    return 36;
}

bool text_char_starts_atom(uint32_t character)
{
    return (character >= 'a' && character <= 'z') ||
           (character >= 0xDF && character <= 0xFF && character != DIVISION_SIGN);
}

bool text_char_starts_variable(uint32_t character)
{
    return (character >= 'A' && character <= 'Z') || character == '_' ||
           (character >= 0xC0 && character <= 0xDE && character != MULTIPLICATION_SIGN);
}

bool text_char_continues_name(uint32_t character)
{
    return text_char_starts_atom(character) || text_char_starts_variable(character) || text_char_is_digit(character) ||
           character == '@';
}

/* Of each pair, the letter and what it stands for. */
static const char escapes[][2] = {
    {'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'v', '\v'}, {'b', '\b'}, {'f', '\f'}, {'e', 0x1B}, {'d', 0x7F},
};

#define ESCAPES (sizeof escapes / sizeof escapes[0])

char text_char_escape(uint32_t control)
{
    for (size_t i = 0; i < ESCAPES; i++)
        if ((uint32_t)escapes[i][1] == control)
            return escapes[i][0];
    return 0;
}

char text_char_unescape(uint32_t letter)
{
    for (size_t i = 0; i < ESCAPES; i++)
        if ((uint32_t)escapes[i][0] == letter)
            return escapes[i][1];
    return letter == 's' ? ' ' : 0;
}

static const struct {
    const char *text;
    enum text_word is;
} words[] = {
    {"after", TEXT_WORD_RESERVED},   {"and", TEXT_WORD_RESERVED},   {"andalso", TEXT_WORD_RESERVED},
    {"band", TEXT_WORD_RESERVED},    {"begin", TEXT_WORD_RESERVED}, {"bnot", TEXT_WORD_RESERVED},
    {"bor", TEXT_WORD_RESERVED},     {"bsl", TEXT_WORD_RESERVED},   {"bsr", TEXT_WORD_RESERVED},
    {"bxor", TEXT_WORD_RESERVED},    {"case", TEXT_WORD_RESERVED},  {"catch", TEXT_WORD_RESERVED},
    {"cond", TEXT_WORD_RESERVED},    {"div", TEXT_WORD_RESERVED},   {"else", TEXT_WORD_NEW},
    {"end", TEXT_WORD_RESERVED},     {"fun", TEXT_WORD_RESERVED},   {"if", TEXT_WORD_RESERVED},
    {"let", TEXT_WORD_RESERVED},     {"maybe", TEXT_WORD_NEW},      {"not", TEXT_WORD_RESERVED},
    {"of", TEXT_WORD_RESERVED},      {"or", TEXT_WORD_RESERVED},    {"orelse", TEXT_WORD_RESERVED},
    {"receive", TEXT_WORD_RESERVED}, {"rem", TEXT_WORD_RESERVED},   {"try", TEXT_WORD_RESERVED},
    {"when", TEXT_WORD_RESERVED},    {"xor", TEXT_WORD_RESERVED},
};

enum text_word text_word(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i].text) == length && memcmp(words[i].text, bytes, length) == 0)
            return words[i].is;
    return TEXT_WORD_FREE;
}
