/* Checks the leaves of terms. tests/port/wire/check_term_check.c compares the results with those of a BEAM. */
#include "wire/term_leaf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/term_hash.h"
#include "wire/term_tags.h"

#define ATOM_CHARACTERS_MAX 255
/* Integers of more words than 65,535 are too large for some BEAMs. */
#define BIG_BYTES_MAX ((size_t)65535 * 8)
/* Creations of 8 bits are those of old nodes, which have these; the first word of their references has 18 bits. */
#define OLD_CREATION_MAX 3
#define REFERENCE_WORD_END ((uint32_t)1 << 18)
/* A node without a name. Its terms may be the reader's own, whose numbers have fewer bits. From OTP 28 on a reference
 * that is an alias has five words, as that of a monitor with an alias. */
#define LOCAL_NODE "nonode@nohost"
#define LOCAL_PID_END (1u << 28)
#define LOCAL_PORT_END (1ull << 60)
#define LOCAL_REFERENCE_WORDS 3
#define LOCAL_ALIAS_WORDS 5

/* -- numbers ------------------------------------------------------------------------------------------------------ */

static bool check_integer(const struct term_head *head, uint64_t *hash)
{
    unsigned char digits[8] = {0};
    const unsigned char *at = digits;
    size_t length = sizeof digits;
    long long value;
    bool small = term_integer(head, &value), negative = small ? value < 0 : head->detail != 0;
    if (small) {
        uint64_t magnitude = negative ? 0 - (uint64_t)value : (uint64_t)value;
        for (size_t i = 0; i < sizeof digits; i++)
            digits[i] = (unsigned char)(magnitude >> 8 * i);
    } else {
        at = head->data;
        length = head->length;
    }
    while (length > 0 && at[length - 1] == 0)
        length--;
    if (hash != NULL)
        *hash = term_hash_bytes(term_hash_mix(HASH_INTEGER, negative), at, length);
    return length <= BIG_BYTES_MAX;
}

static size_t count_digits(const char *text)
{
    return strspn(text, "0123456789");
}

/* An exponent beyond any float's is cut: all of them overflow alike. */
static long read_exponent(const char *text)
{
    long exponent = 0;
    bool negative = *text == '-';
    for (text += *text == '+' || *text == '-'; *text != '\0'; text++)
        if (exponent < 100000)
            exponent = 10 * exponent + (*text - '0');
    return negative ? -exponent : exponent;
}

/* Reads FLOAT_EXT: sign, digits, point or comma, digits, and mostly an exponent. strtod(3) gets the digits without the
 * point, because it expects the point of the locale. */
static bool read_float_text(const struct term_head *head, double *value)
{
    const char *text = (const char *)head->data, *rest;
    char plain[64];
    if (memchr(text, '\0', head->length) == NULL)
        return false;
    const char *sign = *text == '-' ? "-" : "";
    text += *text == '+' || *text == '-';
    size_t whole = count_digits(text);
    if (whole == 0 || (text[whole] != '.' && text[whole] != ','))
        return false;
    const char *behind = text + whole + 1;
    size_t fraction = count_digits(behind);
    rest = behind + fraction;
    if (fraction == 0)
        return false;
    long exponent = 0;
    if (*rest == 'e' || *rest == 'E') {
        const char *digits = rest + 1 + (rest[1] == '+' || rest[1] == '-');
        if (*digits == '\0' || digits[count_digits(digits)] != '\0')
            return false;
        exponent = read_exponent(rest + 1);
    } else if (*rest != '\0') {
        return false;
    }
    snprintf(plain, sizeof plain, "%s%.*s%.*se%ld", sign, (int)whole, text, (int)fraction, behind,
             exponent - (long)fraction);
    *value = strtod(plain, NULL);
    return true;
}

/* 0.0 and -0.0 are the same key up to OTP 26. */
static bool check_float(const struct term_head *head, uint64_t *hash)
{
    double value;
    uint64_t bits;
    if (head->tag == NEW_FLOAT_EXT)
        value = span_double_at(head->data);
    else if (!read_float_text(head, &value))
        return false;
    if (value == 0)
        value = 0;
    memcpy(&bits, &value, sizeof bits);
    if (hash != NULL)
        *hash = term_hash_mix(HASH_FLOAT, bits << 1 == 0 ? 0 : bits);
    return isfinite(value);
}

/* -- atoms -------------------------------------------------------------------------------------------------------- */

/* Returns the size of the UTF-8 character at `at`, of which `left` bytes are left; 0 if it is invalid. */
static size_t measure_character(const unsigned char *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80 ? 1 : at[0] < 0xC0 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : at[0] < 0xF8 ? 4 : 0;
    if (size <= 1 || size > left)
        return size > left ? 0 : size;
    uint32_t code = at[0] & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3Fu);
    }
    return code < least[size] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) ? 0 : size;
}

static bool is_utf8_atom(const unsigned char *at, size_t length)
{
    for (size_t characters = 0; length > 0; characters++) {
        size_t size = measure_character(at, length);
        if (size == 0 || characters == ATOM_CHARACTERS_MAX)
            return false;
        at += size;
        length -= size;
    }
    return true;
}

static uint64_t hash_latin1(const struct term_head *head)
{
    unsigned char utf8[2 * ATOM_CHARACTERS_MAX];
    size_t length = 0;
    for (size_t i = 0; i < head->length; i++) {
        unsigned char byte = head->data[i];
        if (byte >= 0x80)
            utf8[length++] = (unsigned char)(0xC0 | byte >> 6);
        utf8[length++] = (unsigned char)(byte >= 0x80 ? 0x80 | (byte & 0x3F) : byte);
    }
    return term_hash_bytes(HASH_ATOM, utf8, length);
}

static bool check_atom(const struct term_head *head, uint64_t *hash)
{
    bool latin1 = term_atom_is_latin1(head);
    if (latin1 ? head->length > ATOM_CHARACTERS_MAX : !is_utf8_atom(head->data, head->length))
        return false;
    if (hash != NULL)
        *hash = latin1 ? hash_latin1(head) : term_hash_bytes(HASH_ATOM, head->data, head->length);
    return true;
}

/* Reads the atom inside another leaf, which was read before. */
static bool check_atom_at(struct span *span, struct term_head *atom, uint64_t *hash)
{
    return term_read_head(span, atom) == TERM_OK && atom->kind == TERM_ATOM && check_atom(atom, hash);
}

/* -- pids, ports and references ----------------------------------------------------------------------------------- */

/* What pids, ports and references have in common, in one form for all of their tags. */
struct node_term {
    bool old; /* its creation has 8 bits */
    uint32_t creation;
    uint64_t number; /* of a pid or port; the first word of a reference */
    uint32_t serial; /* of a pid */
    size_t word_count;
    const unsigned char *words; /* of a reference */
};

static struct node_term read_node_term(const struct term_head *head)
{
    const unsigned char *at = head->data;
    struct node_term term = {.number = span_u32_at(at)};
    switch (head->tag) {
    case PID_EXT:
        return (struct node_term){true, at[8], span_u32_at(at), span_u32_at(at + 4), 0, NULL};
    case NEW_PID_EXT:
        return (struct node_term){false, span_u32_at(at + 8), span_u32_at(at), span_u32_at(at + 4), 0, NULL};
    case PORT_EXT:
        return (struct node_term){true, at[4], span_u32_at(at), 0, 0, NULL};
    case NEW_PORT_EXT:
        return (struct node_term){false, span_u32_at(at + 4), span_u32_at(at), 0, 0, NULL};
    case V4_PORT_EXT:
        term.number = term.number << 32 | span_u32_at(at + 4);
        term.creation = span_u32_at(at + 8);
        return term;
    case REFERENCE_EXT:
        return (struct node_term){true, at[4], span_u32_at(at), 0, 1, at};
    case NEW_REFERENCE_EXT:
        return (struct node_term){true, at[0], span_u32_at(at + 1), 0, (head->length - 1) / 4, at + 1};
    default: /* NEWER_REFERENCE_EXT */
        return (struct node_term){false, span_u32_at(at), span_u32_at(at + 4), 0, (head->length - 4) / 4, at + 4};
    }
}

static bool fits_node(enum term_kind kind, const struct node_term *term, bool local)
{
    bool reference = kind == TERM_REFERENCE;
    if (term->old && term->creation > OLD_CREATION_MAX)
        return false;
    if (reference && (term->old || local) && term->number >= REFERENCE_WORD_END)
        return false;
    if (!local)
        return true;
    if (reference)
        return term->word_count <= LOCAL_REFERENCE_WORDS || term->word_count == LOCAL_ALIAS_WORDS;
    return term->number < (kind == TERM_PID ? LOCAL_PID_END : LOCAL_PORT_END);
}

/* Words of 0 at a reference's end make no difference. */
static uint64_t hash_node_term(uint64_t hash, enum term_kind kind, const struct node_term *term)
{
    size_t count = term->word_count;
    hash = term_hash_mix(term_hash_mix(hash, (uint64_t)kind), term->creation);
    hash = term_hash_mix(term_hash_mix(hash, term->number), term->serial);
    while (count > 1 && span_u32_at(term->words + 4 * (count - 1)) == 0)
        count--;
    return count > 1 ? term_hash_bytes(hash, term->words, 4 * count) : hash;
}

static bool check_node_term(const struct term_head *head, uint64_t *hash)
{
    bool counted = head->tag == NEW_REFERENCE_EXT || head->tag == NEWER_REFERENCE_EXT;
    const unsigned char *node = head->start + (counted ? 3 : 1);
    struct span span = span_of(node, (size_t)(head->data - node));
    struct term_head atom;
    if (!check_atom_at(&span, &atom, hash))
        return false;
    struct node_term term = read_node_term(head);
    if (hash != NULL)
        *hash = hash_node_term(term_hash_mix(HASH_NODE, *hash), head->kind, &term);
    return fits_node(head->kind, &term, term.creation == 0 && term_is_atom(&atom, LOCAL_NODE));
}

/* -- the others --------------------------------------------------------------------------------------------------- */

/* The unused bits of a bitstring's last byte make no difference. */
static uint64_t hash_bits(const struct term_head *head)
{
    unsigned bits = head->kind == TERM_BINARY ? 8 : head->detail;
    if (bits == 8)
        return term_hash_bytes(term_hash_mix(HASH_BITS, 8), head->data, head->length);
    uint64_t hash = term_hash_bytes(term_hash_mix(HASH_BITS, bits), head->data, head->length - 1);
    return term_hash_mix(hash, head->data[head->length - 1] >> (8 - bits));
}

static uint64_t hash_string(const struct term_head *head)
{
    uint64_t hash = 0, factor = 1;
    for (size_t i = 0; i < head->length; i++) {
        uint64_t item;
        (void)check_integer(&(struct term_head){.tag = SMALL_INTEGER_EXT, .data = head->data + i}, &item);
        term_hash_append(&hash, &factor, item);
    }
    return hash + factor * HASH_NIL;
}

static bool check_export(const struct term_head *head, uint64_t *hash)
{
    /* term_read_head moved past it: it cannot end early. */
    struct span span = span_of(head->start + 1, SIZE_MAX / 2);
    struct term_head atom;
    uint64_t module = 0, function = 0;
    if (!check_atom_at(&span, &atom, hash == NULL ? NULL : &module) ||
        !check_atom_at(&span, &atom, hash == NULL ? NULL : &function))
        return false;
    if (hash != NULL)
        *hash = term_hash_mix(term_hash_mix(term_hash_mix(HASH_FUN, module), function), span_here(&span)[1]);
    return true;
}

bool term_leaf_check(const struct term_head *head, uint64_t *hash)
{
    switch (head->kind) {
    case TERM_INTEGER:
        return check_integer(head, hash);
    case TERM_FLOAT:
        return check_float(head, hash);
    case TERM_ATOM:
        return check_atom(head, hash);
    case TERM_PID:
    case TERM_PORT:
    case TERM_REFERENCE:
        return check_node_term(head, hash);
    case TERM_FUN:
        return check_export(head, hash);
    case TERM_BINARY:
    case TERM_BITSTRING:
        if (hash != NULL)
            *hash = hash_bits(head);
        return true;
    case TERM_STRING:
        if (hash != NULL)
            *hash = hash_string(head);
        return true;
    case TERM_NIL:
        if (hash != NULL)
            *hash = HASH_NIL;
        return true;
    case TERM_TUPLE:
    case TERM_LIST:
    case TERM_MAP:
        break;
    }
    return false;
}
