/* Large integers are kept in limbs of 32 bits, the lowest first, and go to and from text some digits at a time:
 * quadratic, and quick enough up to hundreds of thousands of digits. */
#include "text_number.h"

#include <math.h>
#include <stdlib.h>

#include "frame.h"
#include "text_char.h"

#define LIMB_BYTES ((size_t)4)
/* The largest power of ten in a limb. */
#define BILLION 1000000000u
#define BILLION_DIGITS 9
/* Digits that tell any two doubles apart. */
#define FLOAT_DIGITS 17
/* From here on not every integer is a double, and Erlang prints no more of them in full. */
#define FLOAT_INTEGERS_END 9007199254740992.0

enum { SMALL_BIG = 110, LARGE_BIG = 111 };

struct limbs {
    uint32_t *at;
    size_t length; /* the highest is not zero */
};

static size_t bits_of_digit(unsigned base)
{
    size_t bits = 1;
    while (1u << bits < base)
        bits++;
    return bits;
}

/* limbs = limbs * factor + addend; there is room for one more limb. */
static void multiply_add(struct limbs *limbs, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;
    for (size_t i = 0; i < limbs->length; i++) {
        carry += (uint64_t)limbs->at[i] * factor;
        limbs->at[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry > 0)
        limbs->at[limbs->length++] = (uint32_t)carry;
}

static void read_digits(struct limbs *limbs, struct span text, unsigned base)
{
    uint32_t factor = 1, value = 0;
    uint8_t character;
    while (span_take_u8(&text, &character)) {
        if (character == '_')
            continue;
        value = value * base + text_char_digit(character);
        factor *= base;
        if (factor > UINT32_MAX / base) {
            multiply_add(limbs, factor, value);
            factor = 1;
            value = 0;
        }
    }
    multiply_add(limbs, factor, value);
}

bool text_integer_read(struct text_integer *integer, struct span text, unsigned base)
{
    *integer = (struct text_integer){0};
    /* Each digit adds less than `bits_of_digit`, and carrying needs one limb to spare. */
    size_t room = span_left(&text) / 32 * bits_of_digit(base) + bits_of_digit(base) + 1;
    struct limbs limbs = {.at = calloc(room, sizeof(uint32_t))};
    integer->digits = malloc(room * LIMB_BYTES);
    if (limbs.at == NULL || integer->digits == NULL) {
        free(limbs.at);
        text_integer_free(integer);
        return false;
    }
    read_digits(&limbs, text, base);
    for (size_t i = 0; i < limbs.length * LIMB_BYTES; i++)
        integer->digits[i] = (unsigned char)(limbs.at[i / LIMB_BYTES] >> 8 * (i % LIMB_BYTES));
    integer->length = limbs.length * LIMB_BYTES;
    while (integer->length > 0 && integer->digits[integer->length - 1] == 0)
        integer->length--;
    free(limbs.at);
    return true;
}

void text_integer_free(struct text_integer *integer)
{
    free(integer->digits);
    *integer = (struct text_integer){0};
}

bool text_integer_read_small(struct span text, unsigned base, unsigned long long most, unsigned long long *value)
{
    uint8_t character;
    *value = 0;
    while (span_take_u8(&text, &character)) {
        if (character == '_')
            continue;
        unsigned digit = text_char_digit(character);
        if (digit > most || *value > (most - digit) / base)
            return false;
        *value = *value * base + digit;
    }
    return true;
}

void text_integer_put(struct message *message, const struct text_integer *integer)
{
    bool small = integer->length <= UINT8_MAX;
    size_t head = small ? 3 : 6;
    unsigned char *at = message_reserve(message, head);
    if (at == NULL)
        return;
    at[0] = small ? SMALL_BIG : LARGE_BIG;
    if (small)
        at[1] = (unsigned char)integer->length;
    else
        frame_put_length(at + 1, integer->length);
    at[head - 1] = integer->negative;
    message_advance(message, head);
    message_put_raw(message, integer->digits, integer->length);
}

void text_unsigned_print(FILE *out, unsigned long long value)
{
    char digits[3 * sizeof value];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    fwrite(digits + at, 1, sizeof digits - at, out);
}

/* Divides by a billion and returns the remainder. */
static uint32_t take_billionth(struct limbs *limbs)
{
    uint64_t rest = 0;
    for (size_t i = limbs->length; i-- > 0;) {
        rest = rest << 32 | limbs->at[i];
        limbs->at[i] = (uint32_t)(rest / BILLION);
        rest %= BILLION;
    }
    while (limbs->length > 0 && limbs->at[limbs->length - 1] == 0)
        limbs->length--;
    return (uint32_t)rest;
}

static void print_billions(FILE *out, const uint32_t *parts, size_t count)
{
    text_unsigned_print(out, count > 0 ? parts[count - 1] : 0);
    for (size_t i = count; i-- > 1;)
        fprintf(out, "%0*u", BILLION_DIGITS, (unsigned)parts[i - 1]);
}

bool text_integer_print(FILE *out, const unsigned char *digits, size_t length, bool negative)
{
    while (length > 0 && digits[length - 1] == 0)
        length--;
    struct limbs limbs = {.length = (length + LIMB_BYTES - 1) / LIMB_BYTES};
    limbs.at = calloc(limbs.length + 1, sizeof *limbs.at);
    /* A part of nine digits holds 29.9 bits: 32 bits of limb make 1.07 parts. */
    uint32_t *parts = calloc(limbs.length + limbs.length / 8 + 1, sizeof *parts);
    bool done = limbs.at != NULL && parts != NULL;
    if (done) {
        size_t count = 0;
        for (size_t i = 0; i < length; i++)
            limbs.at[i / LIMB_BYTES] |= (uint32_t)digits[i] << 8 * (i % LIMB_BYTES);
        while (limbs.length > 0)
            parts[count++] = take_billionth(&limbs);
        if (negative && count > 0)
            fputc('-', out);
        print_billions(out, parts, count);
    }
    free(limbs.at);
    free(parts);
    return done;
}

/* A float's digits d1 d2 d3… and the exponent of d1.d2d3… */
struct decimal {
    char digits[FLOAT_DIGITS + 1];
    int length;
    int exponent;
};

/* True where the digits read back as the value, or do so with one more in the last place: below a power of two
 * doubles lie closer to each other than above it, so that the nearest decimal may be another double's. */
static bool reads_back(char *text, double value)
{
    char *last = strchr(text, 'e') - 1;
    if (strtod(text, NULL) == value)
        return true;
    /* A carry would give fewer digits, which were tried before. */
    if (*last == '9')
        return false;
    ++*last;
    return strtod(text, NULL) == value;
}

static void shortest(double value, struct decimal *decimal)
{
    char text[FLOAT_DIGITS + 16];
    int precision = 0;
    do
        snprintf(text, sizeof text, "%.*e", precision, value);
    while (!reads_back(text, value) && ++precision < FLOAT_DIGITS);
    decimal->length = 0;
    const char *at = text;
    for (; *at != 'e'; at++)
        if (*at != '.')
            decimal->digits[decimal->length++] = *at;
    while (decimal->length > 1 && decimal->digits[decimal->length - 1] == '0')
        decimal->length--;
    decimal->digits[decimal->length] = '\0';
    decimal->exponent = (int)strtol(at + 1, NULL, 10);
}

static int scientific_length(const struct decimal *decimal)
{
    int exponent = decimal->exponent;
    int length = decimal->length > 1 ? decimal->length + 2 : 4;
    length += exponent < 0;
    return length + (abs(exponent) < 10 ? 1 : abs(exponent) < 100 ? 2 : 3);
}

static int plain_length(const struct decimal *decimal)
{
    if (decimal->exponent < 0)
        return 1 - decimal->exponent + decimal->length;
    return decimal->exponent + 1 < decimal->length ? decimal->length + 1 : decimal->exponent + 3;
}

static void print_plain(FILE *out, const struct decimal *decimal)
{
    int whole = decimal->exponent + 1; /* digits before the point, or minus the zeros behind it */
    if (whole <= 0)
        fprintf(out, "0.%.*s%s", -whole, "0000000000", decimal->digits);
    else if (whole < decimal->length)
        fprintf(out, "%.*s.%s", whole, decimal->digits, decimal->digits + whole);
    else
        fprintf(out, "%s%.*s.0", decimal->digits, whole - decimal->length, "00000000000000000");
}

void text_float_print(FILE *out, double value)
{
    struct decimal decimal;
    if (signbit(value))
        fputc('-', out);
    value = fabs(value);
    shortest(value, &decimal);
    /* The shorter form, and the plain one where they are alike. */
    if (value == 0.0 || (value < FLOAT_INTEGERS_END && plain_length(&decimal) <= scientific_length(&decimal)))
        print_plain(out, &decimal);
    else
        fprintf(out, "%c.%se%d", decimal.digits[0], decimal.length > 1 ? decimal.digits + 1 : "0", decimal.exponent);
}
