/* Segments of binaries, with the types and defaults that Erlang gives them (erl_bits of its standard library). */
#include "text_bits.h"

#include <limits.h>
#include <math.h>

#include "frame.h"
#include "text_char.h"
#include "text_number.h"

enum { BIT_BINARY = 77 };

/* A binary's tag and length. */
#define HEAD 5
/* A slip of the finger is not to fill the memory. */
#define SEGMENT_BITS_MAX (1ull << 30)
#define TOO_LARGE "a size over 1073741824 bits"
#define UNIT_MAX 256

enum segment_type { TYPE_NONE, TYPE_INTEGER, TYPE_FLOAT, TYPE_UTF8, TYPE_UTF16, TYPE_UTF32 };
enum segment_endian { ENDIAN_NONE, ENDIAN_BIG, ENDIAN_LITTLE };
enum segment_sign { SIGN_NONE, SIGN_UNSIGNED, SIGN_SIGNED }; /* checked; what is written is the same */

struct segment {
    struct text_token value; /* the text of a string is in bits->held */
    bool negative;
    bool sized;
    unsigned long long size;
    unsigned long long unit; /* 0: not given */
    unsigned type, endian, sign;
    size_t bits; /* in all, once the rest is known */
};

struct bits {
    struct text_scanner *scanner;
    struct message *message;
    struct text_token token; /* not used up yet */
    struct message held;
    unsigned spare; /* bits of the last byte that are not used yet, 0 to 7 */
};

static bool advance(struct bits *bits)
{
    return text_scan_next(bits->scanner, &bits->token);
}

static bool unexpected(struct bits *bits, const char *expected)
{
    return text_scan_unexpected(bits->scanner, &bits->token, expected);
}

/* Appends the lowest `count` (1 to 8) bits of a byte. */
static void put_bits(struct bits *bits, unsigned byte, unsigned count)
{
    struct message *message = bits->message;
    byte = byte << (8 - count) & 0xFF;
    if (bits->spare > 0 && !message->failed)
        message->bytes[message->length - 1] |= (unsigned char)(byte >> (8 - bits->spare));
    if (count <= bits->spare) {
        bits->spare -= count;
        return;
    }
    unsigned char rest = (unsigned char)(byte << bits->spare);
    message_put_raw(message, &rest, 1);
    bits->spare = 8 - (count - bits->spare);
}

static size_t lowest_digit(const struct text_integer *integer)
{
    size_t lowest = 0;
    while (lowest < integer->length && integer->digits[lowest] == 0)
        lowest++;
    return lowest;
}

/* A digit of the two's complement, which has no highest one. */
static unsigned complement_digit(const struct text_integer *integer, size_t lowest, size_t which)
{
    unsigned digit = which < integer->length ? integer->digits[which] : 0;
    if (!integer->negative || which < lowest || lowest == integer->length)
        return digit;
    return (which == lowest ? 0x100 - digit : ~digit) & 0xFF;
}

/* The low byte first, or the high one. What does not fit is cut off, as Erlang does. */
static void put_integer(struct bits *bits, const struct text_integer *integer, size_t count, bool little)
{
    size_t bytes = (count + 7) / 8;
    size_t lowest = lowest_digit(integer);
    for (size_t i = 0; i < bytes; i++) {
        size_t which = little ? i : bytes - 1 - i;
        bool partial = which == bytes - 1 && count % 8 > 0;
        put_bits(bits, complement_digit(integer, lowest, which), partial ? (unsigned)(count % 8) : 8);
    }
}

static void put_unsigned(struct bits *bits, unsigned long long value, size_t count, bool little)
{
    unsigned char digits[sizeof value];
    struct text_integer integer = {.digits = digits, .length = sizeof digits};
    for (size_t i = 0; i < sizeof digits; i++)
        digits[i] = (unsigned char)(value >> 8 * i);
    put_integer(bits, &integer, count, little);
}

static bool put_float(struct bits *bits, const struct segment *segment, double value)
{
    if (segment->bits == 64) {
        uint64_t image;
        memcpy(&image, &value, sizeof image);
        put_unsigned(bits, image, 64, segment->endian == ENDIAN_LITTLE);
        return true;
    }
    float narrow = (float)value;
    uint32_t image;
    if (!isfinite(narrow))
        return text_scan_refuse(bits->scanner, &segment->value, "a number too large for a float of 32 bits");
    memcpy(&image, &narrow, sizeof image);
    put_unsigned(bits, image, 32, segment->endian == ENDIAN_LITTLE);
    return true;
}

static void put_utf16(struct bits *bits, uint32_t character, bool little)
{
    if (character > 0xFFFF) {
        put_unsigned(bits, 0xD800 | (character - 0x10000) >> 10, 16, little);
        character = 0xDC00 | (character & 0x3FF);
    }
    put_unsigned(bits, character, 16, little);
}

static bool put_character(struct bits *bits, const struct segment *segment, unsigned long long value)
{
    unsigned char utf8[4];
    bool little = segment->endian == ENDIAN_LITTLE;
    if (value > UINT32_MAX || !text_char_is_unicode((uint32_t)value))
        return text_scan_refuse(bits->scanner, &segment->value, "a number that is no Unicode character");
    uint32_t character = (uint32_t)value;
    if (segment->type == TYPE_UTF16)
        put_utf16(bits, character, little);
    else if (segment->type == TYPE_UTF32)
        put_unsigned(bits, character, 32, little);
    else
        for (size_t i = 0, length = text_char_encode(utf8, character); i < length; i++)
            put_bits(bits, utf8[i], 8);
    return true;
}

static bool put_magnitude(struct bits *bits, const struct segment *segment, unsigned long long value)
{
    if (segment->type == TYPE_FLOAT)
        return put_float(bits, segment, segment->negative && value > 0 ? -(double)value : (double)value);
    if (segment->type != TYPE_INTEGER)
        return put_character(bits, segment, segment->negative && value > 0 ? ULLONG_MAX : value);
    if (!segment->negative) {
        put_unsigned(bits, value, segment->bits, segment->endian == ENDIAN_LITTLE);
        return true;
    }
    unsigned char digits[sizeof value];
    struct text_integer integer = {.digits = digits, .length = sizeof digits, .negative = true};
    for (size_t i = 0; i < sizeof digits; i++)
        digits[i] = (unsigned char)(value >> 8 * i);
    put_integer(bits, &integer, segment->bits, segment->endian == ENDIAN_LITTLE);
    return true;
}

static bool put_large(struct bits *bits, const struct segment *segment)
{
    struct text_integer integer;
    if (segment->type != TYPE_INTEGER)
        return text_scan_refuse(bits->scanner, &segment->value, "an integer too large for this type");
    if (!text_integer_read(&integer, segment->value.text, segment->value.base))
        return text_scan_refuse(bits->scanner, &segment->value, "out of memory");
    integer.negative = segment->negative;
    put_integer(bits, &integer, segment->bits, segment->endian == ENDIAN_LITTLE);
    text_integer_free(&integer);
    return true;
}

/* Each character is a segment of its own. One that is cut off would be lost without a word. */
static bool put_string(struct bits *bits, const struct segment *segment)
{
    struct span text = segment->value.text;
    uint32_t character;
    /* No more characters than bytes. */
    if (segment->bits > 0 && text.length > SEGMENT_BITS_MAX / segment->bits)
        return text_scan_refuse(bits->scanner, &segment->value, TOO_LARGE);
    while (text_char_take(&text, &character)) {
        if (segment->type == TYPE_INTEGER && segment->bits < 32 && character >> segment->bits > 0)
            return text_scan_refuse(bits->scanner, &segment->value,
                                    "a character too large for its bits: write <<\"...\"/utf8>>");
        if (!put_magnitude(bits, segment, character))
            return false;
    }
    return true;
}

static bool put_segment(struct bits *bits, const struct segment *segment)
{
    unsigned long long value;
    if (segment->value.kind == TEXT_TOKEN_STRING)
        return put_string(bits, segment);
    if (segment->value.kind == TEXT_TOKEN_CHARACTER)
        return put_magnitude(bits, segment, segment->value.character);
    if (segment->value.kind == TEXT_TOKEN_INTEGER)
        return text_integer_read_small(segment->value.text, segment->value.base, ULLONG_MAX, &value)
                   ? put_magnitude(bits, segment, value)
                   : put_large(bits, segment);
    if (segment->type != TYPE_FLOAT)
        return text_scan_refuse(bits->scanner, &segment->value, "a float of another type: write <<1.0/float>>");
    return put_float(bits, segment, segment->negative ? -segment->value.real : segment->value.real);
}

static bool read_value(struct bits *bits, struct segment *segment)
{
    bool sign = bits->token.kind == TEXT_TOKEN_PLUS || bits->token.kind == TEXT_TOKEN_MINUS;
    segment->negative = bits->token.kind == TEXT_TOKEN_MINUS;
    if (sign && !advance(bits))
        return false;
    segment->value = bits->token;
    enum text_token_kind kind = bits->token.kind;
    if (kind == TEXT_TOKEN_STRING && !sign) {
        /* Kept from the next token, which gets the other buffer. */
        struct message text = bits->scanner->unescaped;
        bits->scanner->unescaped = bits->held;
        bits->held = text;
    } else if (kind != TEXT_TOKEN_INTEGER && kind != TEXT_TOKEN_CHARACTER && kind != TEXT_TOKEN_FLOAT) {
        return unexpected(bits, sign ? "a number" : "a number or a string");
    }
    return advance(bits);
}

static bool read_size(struct bits *bits, struct segment *segment)
{
    if (bits->token.kind != TEXT_TOKEN_COLON)
        return true;
    if (!advance(bits))
        return false;
    if (bits->token.kind != TEXT_TOKEN_INTEGER)
        return unexpected(bits, "a size");
    if (!text_integer_read_small(bits->token.text, bits->token.base, SEGMENT_BITS_MAX, &segment->size))
        return text_scan_refuse(bits->scanner, &bits->token, TOO_LARGE);
    segment->sized = true;
    return advance(bits);
}

static bool read_unit(struct bits *bits, struct segment *segment)
{
    unsigned long long unit;
    if (!advance(bits))
        return false;
    if (bits->token.kind != TEXT_TOKEN_COLON)
        return unexpected(bits, "':' and a unit");
    if (!advance(bits))
        return false;
    if (bits->token.kind != TEXT_TOKEN_INTEGER ||
        !text_integer_read_small(bits->token.text, bits->token.base, UNIT_MAX, &unit) || unit == 0)
        return unexpected(bits, "a unit of 1 to 256");
    if (segment->unit != 0 && segment->unit != unit)
        return text_scan_refuse(bits->scanner, &bits->token, "a second unit that differs from the first");
    segment->unit = unit;
    return advance(bits);
}

/* One word of the list after '/'. */
static bool read_type(struct bits *bits, struct segment *segment)
{
    static const struct {
        const char *name;
        size_t field;
        unsigned value;
    } words[] = {
        {"integer", offsetof(struct segment, type), TYPE_INTEGER},
        {"float", offsetof(struct segment, type), TYPE_FLOAT},
        {"utf8", offsetof(struct segment, type), TYPE_UTF8},
        {"utf16", offsetof(struct segment, type), TYPE_UTF16},
        {"utf32", offsetof(struct segment, type), TYPE_UTF32},
        {"big", offsetof(struct segment, endian), ENDIAN_BIG},
        {"little", offsetof(struct segment, endian), ENDIAN_LITTLE},
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        {"native", offsetof(struct segment, endian), ENDIAN_BIG},
#else
        {"native", offsetof(struct segment, endian), ENDIAN_LITTLE},
#endif
        {"unsigned", offsetof(struct segment, sign), SIGN_UNSIGNED},
        {"signed", offsetof(struct segment, sign), SIGN_SIGNED},
    };
    const struct span *name = &bits->token.text;
    if (bits->token.kind == TEXT_TOKEN_ATOM && name->length == 4 && memcmp(name->bytes, "unit", 4) == 0)
        return read_unit(bits, segment);
    for (size_t i = 0; bits->token.kind == TEXT_TOKEN_ATOM && i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].name) != name->length || memcmp(words[i].name, name->bytes, name->length) != 0)
            continue;
        unsigned *field = (unsigned *)((char *)segment + words[i].field);
        if (*field != 0 && *field != words[i].value)
            return text_scan_refuse(bits->scanner, &bits->token, "a word that contradicts one before it");
        *field = words[i].value;
        return advance(bits);
    }
    return unexpected(bits, "integer, float, utf8, utf16, utf32, big, little, native, signed, unsigned or unit:N");
}

static bool read_types(struct bits *bits, struct segment *segment)
{
    enum text_token_kind before = TEXT_TOKEN_SLASH;
    while (bits->token.kind == before) {
        if (!advance(bits) || !read_type(bits, segment))
            return false;
        before = TEXT_TOKEN_MINUS;
    }
    return true;
}

static bool apply_defaults(struct bits *bits, struct segment *segment)
{
    const char *problem = NULL;
    if (segment->type == TYPE_NONE)
        segment->type = TYPE_INTEGER;
    bool fixed = segment->type == TYPE_INTEGER || segment->type == TYPE_FLOAT;
    if (!fixed && (segment->sized || segment->unit != 0))
        problem = "utf8, utf16 and utf32 have no size and no unit";
    else if (fixed && !segment->sized && segment->unit != 0)
        problem = "a unit without a size";
    if (!segment->sized)
        segment->size = segment->type == TYPE_FLOAT ? 64 : 8;
    segment->bits = (size_t)(segment->size * (segment->unit != 0 ? segment->unit : 1));
    if (problem == NULL && segment->bits > SEGMENT_BITS_MAX)
        problem = TOO_LARGE;
    if (problem == NULL && segment->type == TYPE_FLOAT && segment->bits != 32 && segment->bits != 64)
        problem = "a float has 32 or 64 bits";
    return problem == NULL || text_scan_refuse(bits->scanner, &segment->value, problem);
}

static bool read_segment(struct bits *bits)
{
    struct segment segment = {0};
    return read_value(bits, &segment) && read_size(bits, &segment) && read_types(bits, &segment) &&
           apply_defaults(bits, &segment) && put_segment(bits, &segment);
}

static bool read_segments(struct bits *bits)
{
    if (!advance(bits))
        return false;
    if (bits->token.kind == TEXT_TOKEN_CLOSE_BINARY)
        return true;
    for (;;) {
        if (!read_segment(bits))
            return false;
        if (bits->token.kind == TEXT_TOKEN_CLOSE_BINARY)
            return true;
        if (bits->token.kind != TEXT_TOKEN_COMMA)
            return unexpected(bits, "',' or '>>'");
        if (!advance(bits))
            return false;
    }
}

/* Fills in the length that is known now, and makes room for the bits of the last byte where it is not whole. */
static bool finish(struct bits *bits, size_t head)
{
    struct message *message = bits->message;
    unsigned char used = (unsigned char)(8 - bits->spare);
    if (bits->spare > 0)
        message_put_raw(message, &used, 1);
    if (message->failed)
        return text_scan_refuse(bits->scanner, &bits->token, "out of memory");
    unsigned char *at = message->bytes + head;
    size_t length = message->length - head - HEAD;
    if (bits->spare > 0) {
        length--;
        memmove(at + HEAD + 1, at + HEAD, length);
        at[0] = BIT_BINARY;
        at[HEAD] = used;
    }
    if (length > UINT32_MAX)
        return text_scan_refuse(bits->scanner, &bits->token, "a binary over 4294967295 bytes");
    frame_put_length(at + 1, length);
    return true;
}

bool text_bits_read(struct text_scanner *scanner, struct message *message)
{
    struct bits bits = {.scanner = scanner, .message = message};
    size_t head = message->length;
    message_put_binary(message, NULL, 0);
    bool done = read_segments(&bits) && finish(&bits, head);
    message_free(&bits.held);
    return done;
}
