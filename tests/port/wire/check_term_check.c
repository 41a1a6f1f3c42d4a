/* Tests the strict check of terms against a BEAM: terms in every form, whole and damaged, and what binary_to_term/1
 * does with them. A BEAM must read each accepted term; a term that a BEAM writes must be accepted. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bytes.h"
#include "suites.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/term.h"
#include "wire/term_tags.h"

#define TERMS 40000
#define LOCAL_NODE "nonode@nohost"
#define SEED 88172645463325252ull

#define SIXTY_FOUR "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* xorshift: the same numbers in every run. */
static unsigned long long state = SEED;

static unsigned below(unsigned bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % bound;
}

/* -- terms -------------------------------------------------------------------------------------------------------- */

static void put_u8(struct message *message, unsigned value)
{
    message_put_raw(message, &(unsigned char){(unsigned char)value}, 1);
}

static void put_u16(struct message *message, unsigned value)
{
    put_u8(message, value >> 8);
    put_u8(message, value);
}

static void put_u32(struct message *message, unsigned value)
{
    put_u16(message, value >> 16);
    put_u16(message, value);
}

/* Small ones, and those at the edge of what some field may hold. */
static unsigned some_u32(void)
{
    static const unsigned edges[] = {
        0,        3,         4, 255, (1u << 13) - 1, 1u << 13, (1u << 18) - 1, 1u << 18, (1u << 28) - 2, (1u << 28) - 1,
        1u << 28, 0xFFFFFFFF};
    return below(3) > 0 ? below(3) : edges[below(sizeof edges / sizeof *edges)];
}

static void put_bytes(struct message *message, unsigned length)
{
    while (length-- > 0)
        put_u8(message, below(256));
}

static void put_integer(struct message *message)
{
    unsigned length = below(10), value = below(4);
    switch (below(5)) {
    case 0:
        put_u8(message, SMALL_INTEGER_EXT);
        put_u8(message, value);
        break;
    case 1:
        put_u8(message, INTEGER_EXT);
        put_u32(message, below(2) ? value : some_u32());
        break;
    case 2:
        put_u8(message, SMALL_BIG_EXT);
        put_u8(message, length);
        put_u8(message, below(2));
        put_bytes(message, length);
        break;
    default: /* a small one in a long form */
        put_u8(message, LARGE_BIG_EXT);
        put_u32(message, 1 + length);
        put_u8(message, value == 0 ? below(2) : 0);
        put_u8(message, value);
        while (length-- > 0)
            put_u8(message, 0);
    }
}

/* Without -0.0, which is 0.0 as a key up to OTP 26. */
static void put_float(struct message *message)
{
    static const char *const texts[] = {"1.5",
                                        "1.50000000000000000000e+00",
                                        "-1.5",
                                        "+1.5",
                                        "1,5",
                                        "0.0",
                                        "1",
                                        "1.",
                                        ".5",
                                        "1e5",
                                        "1.5e5",
                                        "1.5E+05",
                                        "1.5e",
                                        "inf",
                                        "nan",
                                        "",
                                        "1.8e308",
                                        "1.5 ",
                                        " 1.5",
                                        "1.7976931348623158079e308",
                                        "0x1.8",
                                        "1.0e-400",
                                        "1.5e99999999999",
                                        "0.0e99999999999",
                                        "15.0e-1",
                                        "1.5e-99999999999999999999",
                                        "1.7976931348623158080e308",
                                        "--1.5",
                                        "1.5e5x",
                                        "1.5e+-5",
                                        "1.5.5"};
    static const unsigned long long bits[] = {0,
                                              0xBFF8000000000000,
                                              0x3FF8000000000000,
                                              0x7FF0000000000000,
                                              0x7FF8000000000000,
                                              0xFFF0000000000000,
                                              0x7FEFFFFFFFFFFFFF,
                                              1};
    if (below(2) > 0) {
        unsigned long long value = bits[below(8)];
        put_u8(message, NEW_FLOAT_EXT);
        put_u32(message, (unsigned)(value >> 32));
        put_u32(message, (unsigned)value);
        return;
    }
    char text[31] = {0};
    strncpy(text, texts[below(sizeof texts / sizeof *texts)], sizeof text - 1);
    put_u8(message, FLOAT_EXT);
    message_put_raw(message, text, sizeof text);
}

static void put_atom(struct message *message)
{
    static const char *const texts[] = {"a",
                                        "ok",
                                        "",
                                        "a@b",
                                        "\xc3\xa9",
                                        "\xe9",
                                        "\xed\xa0\x80",
                                        "\xf0\x9f\x98\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xc0\x80",
                                        "\xff",
                                        "\xe2\x82"};
    const char *text = texts[below(sizeof texts / sizeof *texts)];
    unsigned tag = (unsigned[]){ATOM_EXT, SMALL_ATOM_EXT, ATOM_UTF8_EXT, SMALL_ATOM_UTF8_EXT}[below(4)];
    unsigned times = below(20) > 0 || strlen(text) > 4 ? 1 : (unsigned[]){127, 128, 254, 255, 256}[below(5)];
    unsigned length = (unsigned)strlen(text) * times;
    bool wide = tag == ATOM_EXT || tag == ATOM_UTF8_EXT;
    if (!wide && length > 255)
        return put_atom(message);
    put_u8(message, tag);
    if (wide)
        put_u16(message, length);
    else
        put_u8(message, length);
    while (times-- > 0)
        message_put_raw(message, text, strlen(text));
}

static void put_node(struct message *message, const char *name)
{
    if (below(20) == 0)
        put_atom(message);
    else
        message_put_atom_text(message, name);
}

/* How many processes a BEAM may have decides which numbers between some 2^18 and 2^28 - 1 its own pids have; those of
 * OTP 28 have larger serials. */
static void put_pid(struct message *message)
{
    static const unsigned numbers[] = {0, 1, 2, 1u << 28, 0xFFFFFFFF};
    bool old = below(2) > 0, local = below(2) > 0;
    put_u8(message, old ? PID_EXT : NEW_PID_EXT);
    if (local)
        message_put_atom_text(message, LOCAL_NODE);
    else
        put_node(message, "a@b");
    put_u32(message, local ? numbers[below(5)] : some_u32());
    put_u32(message, some_u32() & (local ? 0x1FFF : ~0u));
    if (old)
        put_u8(message, some_u32());
    else
        put_u32(message, some_u32());
}

/* Those of newer BEAMs have more than 28 bits. */
static void put_port(struct message *message)
{
    bool local = below(2) == 0;
    unsigned tag = (unsigned[]){PORT_EXT, NEW_PORT_EXT, V4_PORT_EXT}[below(3)];
    put_u8(message, tag);
    put_node(message, local ? LOCAL_NODE : "a@b");
    if (tag == V4_PORT_EXT)
        put_u32(message, below(2) || local ? 0 : some_u32());
    put_u32(message, some_u32() & (local ? (1u << 28) - 1 : ~0u));
    if (tag == PORT_EXT)
        put_u8(message, some_u32());
    else
        put_u32(message, some_u32());
}

static void put_reference(struct message *message)
{
    unsigned tag = (unsigned[]){REFERENCE_EXT, NEW_REFERENCE_EXT, NEWER_REFERENCE_EXT}[below(3)];
    bool local = below(2) == 0;
    /* BEAMs differ on longer ones of a node without a name. */
    unsigned words = tag == REFERENCE_EXT ? 1 : 1 + below(local ? 3 : 6);
    put_u8(message, tag);
    if (tag != REFERENCE_EXT)
        put_u16(message, words);
    put_node(message, local ? LOCAL_NODE : "a@b");
    if (tag == NEW_REFERENCE_EXT)
        put_u8(message, below(5));
    if (tag == NEWER_REFERENCE_EXT)
        put_u32(message, some_u32());
    while (words-- > 0)
        put_u32(message, some_u32());
    if (tag == REFERENCE_EXT)
        put_u8(message, below(5));
}

static void put_any(struct message *message, unsigned depth);

static void put_fun(struct message *message, unsigned depth)
{
    if (below(3) == 0) {
        put_u8(message, EXPORT_EXT);
        put_atom(message);
        put_atom(message);
        put_u8(message, SMALL_INTEGER_EXT);
        put_u8(message, below(256));
        return;
    }
    unsigned variables = below(3);
    put_u8(message, NEW_FUN_EXT);
    size_t start = message->length;
    put_u32(message, 0);
    put_u8(message, below(2)); /* arity */
    for (int i = 0; i < 16; i++)
        put_u8(message, i == 0 ? below(2) : 0);
    put_u32(message, below(2));
    put_u32(message, variables);
    put_atom(message);
    put_integer(message);
    put_integer(message);
    put_pid(message);
    while (variables-- > 0)
        put_any(message, depth);
    message_patch_length(message, start, (unsigned)(message->length - start));
}

static void put_bits(struct message *message)
{
    bool binary = below(2) > 0;
    /* BEAMs differ on bitstrings without bits; the port refuses them. */
    unsigned length = binary ? below(3) : 1 + below(2);
    put_u8(message, binary ? BINARY_EXT : BIT_BINARY_EXT);
    put_u32(message, length);
    if (!binary)
        put_u8(message, 1 + below(9));
    while (length-- > 0)
        put_u8(message, below(2) ? 0x80 : 0xC1);
}

static void put_list(struct message *message, unsigned depth)
{
    unsigned length = below(3);
    if (below(3) == 0) {
        put_u8(message, STRING_EXT);
        put_u16(message, length);
        while (length-- > 0)
            put_u8(message, below(4));
        return;
    }
    message_put_list(message, length);
    while (length-- > 0)
        put_any(message, depth);
    if (below(2) > 0)
        message_put_nil_list(message);
    else
        put_any(message, depth);
}

static void put_map(struct message *message, unsigned depth)
{
    unsigned pairs = below(4);
    message_put_map(message, pairs);
    for (unsigned i = 0; i < pairs; i++) {
        put_any(message, depth);
        put_any(message, depth);
    }
}

static void put_tuple(struct message *message, unsigned depth)
{
    unsigned arity = below(4);
    if (below(2) > 0) {
        message_put_tuple(message, arity);
    } else {
        put_u8(message, LARGE_TUPLE_EXT);
        put_u32(message, arity);
    }
    while (arity-- > 0)
        put_any(message, depth);
}

static void put_any(struct message *message, unsigned depth)
{
    static void (*const leaves[])(struct message *) = {put_integer, put_integer,   put_float, put_atom,
                                                       put_pid,     put_reference, put_port,  put_bits};
    static void (*const parents[])(struct message *, unsigned) = {put_list, put_map, put_map, put_tuple, put_fun};
    if (depth == 0 || below(3) == 0)
        leaves[below(8)](message);
    else
        parents[below(5)](message, depth - 1);
}

/* Two keys of one kind: equal terms in different forms are likely. */
static void put_twin_keys(struct message *message)
{
    static void (*const leaves[])(struct message *) = {put_integer,   put_float, put_atom, put_pid,
                                                       put_reference, put_port,  put_bits};
    unsigned kind = below(9);
    message_put_map(message, 2);
    for (int i = 0; i < 2; i++) {
        if (kind < 7)
            leaves[kind](message);
        else if (kind == 7)
            put_list(message, 1);
        else
            put_fun(message, 0);
        message_put_nil_list(message);
    }
}

/* Not the numbers of pids that may be the reader's own: see put_pid. */
static void damage(unsigned char *bytes, size_t *length)
{
    if (memmem(bytes, *length, LOCAL_NODE, strlen(LOCAL_NODE)) != NULL)
        return;
    for (unsigned i = 1 + below(2); i > 0 && *length > 0; i--) {
        unsigned at = below((unsigned)*length);
        switch (below(5)) {
        case 0:
            bytes[at] = (unsigned char)below(256);
            break;
        case 1:
            bytes[at] ^= (unsigned char)(1u << below(8));
            break;
        case 2:
            bytes[at] = (unsigned char)below(6);
            break;
        case 3:
            memmove(bytes + at, bytes + at + 1, *length - at - 1);
            --*length;
            break;
        default:
            bytes[at] = (unsigned char)(97 + below(24));
        }
    }
}

/* Terms that crash a BEAM, or that it answers by chance: a reference without words, and the tags (73, 75) of atoms by
 * their number in its table. They are refused here. */
static bool is_dangerous(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == 73 || bytes[i] == 75)
            return true;
        if (i + 2 < length && (bytes[i] == NEW_REFERENCE_EXT || bytes[i] == NEWER_REFERENCE_EXT) && bytes[i + 1] == 0 &&
            bytes[i + 2] == 0)
            return true;
    }
    return false;
}

/* -- the two answers ---------------------------------------------------------------------------------------------- */

/* Each term behind 4 bytes of its length. */
static void write_terms(const char *path)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    struct message message = {0};
    for (int i = 0; i < TERMS;) {
        message_begin(&message);
        size_t start = message.length;
        if (below(3) == 0)
            put_twin_keys(&message);
        else
            put_any(&message, 3);
        size_t length = message.length - start;
        if (below(2) > 0)
            damage(message.bytes + start, &length);
        if (is_dangerous(message.bytes + start, length))
            continue;
        unsigned char head[FRAME_HEADER];
        frame_put_length(head, length);
        fwrite(head, 1, sizeof head, file);
        fwrite(message.bytes + start, 1, length, file);
        i++;
    }
    message_free(&message);
    fclose(file);
}

static unsigned char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*length + 1);
    ck_assert_uint_eq(fread(bytes, 1, *length, file), *length);
    fclose(file);
    return bytes;
}

static char *show_bytes(const unsigned char *bytes, size_t length)
{
    static char shown[2000];
    size_t at = 0;
    for (size_t i = 0; i < length && at + 4 < sizeof shown; i++)
        at += (size_t)snprintf(shown + at, sizeof shown - at, "%02x ", bytes[i]);
    return shown;
}

/* A copy that ends where its memory ends. */
static enum term_status check_copy(const unsigned char *bytes, size_t length, size_t *position)
{
    unsigned char *copy = bytes_copy(bytes, length);
    struct span span = span_of(copy, length);
    enum term_status status = term_check(&span);
    if (status == TERM_OK && span_left(&span) > 0)
        status = TERM_MALFORMED;
    if (position != NULL)
        *position = span.position;
    free(copy);
    return status;
}

/* A closure has its size in front, which a BEAM skips; here it must be right. */
static bool is_closure(const unsigned char *bytes, size_t length)
{
    return length > 0 && bytes[0] == NEW_FUN_EXT;
}

static void compare(struct span *terms, struct span *answers, unsigned *accepted)
{
    uint32_t length;
    uint8_t reads;
    size_t position;
    ck_assert(span_take_u32(terms, &length));
    const unsigned char *term = span_take(terms, length);
    ck_assert_ptr_nonnull(term);
    ck_assert(span_take_u8(answers, &reads));
    enum term_status status = check_copy(term, length, &position);
    ck_assert_msg(status != TERM_OK || reads, "accepted, but no BEAM reads %s", show_bytes(term, length));
    if (!reads)
        return;
    ++*accepted;
    ck_assert_msg(status == TERM_OK || is_closure(term + position, length - position),
                  "refused at %zu (%s), but a BEAM reads %s", position, term_status_text(status),
                  show_bytes(term, length));
    ck_assert(span_take_u32(answers, &length));
    term = span_take(answers, length);
    ck_assert_ptr_nonnull(term);
    status = check_copy(term, length, NULL);
    ck_assert_msg(status == TERM_OK, "refused (%s), but a BEAM writes %s", term_status_text(status),
                  show_bytes(term, length));
}

/* PYTHONX_TEST_SEED tries others. */
START_TEST(agrees_with_a_beam)
{
    const char *seed = getenv("PYTHONX_TEST_SEED");
    if (seed != NULL)
        state = SEED + strtoull(seed, NULL, 10);
    char terms_path[] = "/tmp/pythonx_termsXXXXXX", answers_path[64], command[200];
    int fd = mkstemp(terms_path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    snprintf(answers_path, sizeof answers_path, "%s.answers", terms_path);
    write_terms(terms_path);
    snprintf(command, sizeof command, "escript tests/port/wire/judge.escript %s %s", terms_path, answers_path);
    ck_assert_int_eq(system(command), 0);
    size_t terms_length, answers_length;
    unsigned char *terms_bytes = read_file(terms_path, &terms_length);
    unsigned char *answers_bytes = read_file(answers_path, &answers_length);
    struct span terms = span_of(terms_bytes, terms_length), answers = span_of(answers_bytes, answers_length);
    unsigned accepted = 0;
    for (int i = 0; i < TERMS; i++)
        compare(&terms, &answers, &accepted);
    /* The test needs both kinds. */
    ck_assert_uint_gt(accepted, TERMS / 5);
    ck_assert_uint_lt(accepted, TERMS - TERMS / 5);
    free(terms_bytes);
    free(answers_bytes);
    unlink(terms_path);
    unlink(answers_path);
}
END_TEST

/* -- by hand ------------------------------------------------------------------------------------------------------ */

static const struct refused {
    const char *name, *bytes;
    size_t size;
    enum term_status status;
    size_t position;
} refused[] = {
    {"nothing", BYTES(""), TERM_TRUNCATED, 0},
    {"a float without a number",
     BYTES("\x63"
           "abc\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
     TERM_MALFORMED, 0},
    {"a float that does not end",
     BYTES("\x63"
           "1.50000000000000000000000000000"),
     TERM_MALFORMED, 0},
    {"a float that is none, in a tuple", BYTES("\x68\x02\x61\x01\x46\x7f\xf0\0\0\0\0\0\0"), TERM_MALFORMED, 4},
    {"a compressed term", BYTES("\x50\0\0\0\x10\x78\x9c"), TERM_COMPRESSED, 0},
    {"an atom by its number", BYTES("\x68\x01\x49\0\1"), TERM_UNKNOWN, 2},
    {"an atom of a cache", BYTES("\x52\1"), TERM_UNKNOWN, 0},
    {"a local term", BYTES("\x79\0\0\0\0\0\0\0\0\x61\1"), TERM_UNKNOWN, 0},
    {"a map with a key in two forms", BYTES("\x68\1\x74\0\0\0\2\x61\1\x6a\x6e\1\0\1\x6a"), TERM_SAME_KEY, 2},
    {"an atom of 256 bytes in Latin-1", BYTES("\x64\1\0" SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR SIXTY_FOUR), TERM_MALFORMED,
     0},
    {"a bitstring without bits", BYTES("\x68\x01\x4d\0\0\0\0\0"), TERM_MALFORMED, 2},
    {"a local reference of four words",
     BYTES("\x5a\0\4\x77\x0dnonode@nohost\0\0\0\0"
           "\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"),
     TERM_MALFORMED, 0},
    {"a reference without words",
     BYTES("\x5a\0\0\x77\3"
           "a@b\0\0\0\1"),
     TERM_MALFORMED, 0},
};

START_TEST(refuses_what_no_beam_reads)
{
    const struct refused *row = &refused[_i];
    size_t position;
    enum term_status status = check_copy((const unsigned char *)row->bytes, row->size, &position);
    ck_assert_msg(status == row->status, "%s: %s", row->name, term_status_text(status));
    ck_assert_msg(position == row->position, "%s: at %zu", row->name, position);
}
END_TEST

/* What BEAMs from OTP 28 on write of their own, and earlier ones do not read. */
static const struct {
    const char *name, *bytes;
    size_t size;
} newer[] = {
    {"an alias", BYTES("\x5a\0\5\x77\x0dnonode@nohost\0\0\0\0"
                       "\0\2\x0e\xbf\xf1\xe5\0\2\x33\x48\xe8\x68\0\0\5\3\0\0\0\0")},
    {"a pid of a BEAM that has had many processes",
     BYTES("\x58\x77\x0dnonode@nohost\x0f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0")},
    {"a port of one that has had many", BYTES("\x78\x77\x0dnonode@nohost\x0f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0")},
};

START_TEST(accepts_what_newer_beams_write)
{
    enum term_status status = check_copy((const unsigned char *)newer[_i].bytes, newer[_i].size, NULL);
    ck_assert_msg(status == TERM_OK, "%s: %s", newer[_i].name, term_status_text(status));
}
END_TEST

/* Nested lists, or maps of two pairs, in each other's values or keys. */
static enum term_status check_nested(const char *before, size_t before_size, const char *behind, size_t behind_size,
                                     size_t depth)
{
    struct message message = {0};
    message_begin(&message);
    size_t start = message.length;
    for (size_t i = 0; i < depth; i++)
        message_put_raw(&message, before, before_size);
    message_put_nil_list(&message);
    for (size_t i = 0; i < depth; i++)
        message_put_raw(&message, behind, behind_size);
    enum term_status status = check_copy(message.bytes + start, message.length - start, NULL);
    message_free(&message);
    return status;
}

START_TEST(accepts_as_deep_as_it_says)
{
    static const struct {
        const char *before;
        size_t before_size;
        const char *behind;
        size_t behind_size;
    } nests[] = {
        {BYTES("\x6c\0\0\0\1"), BYTES("\x6a")},
        {BYTES("\x68\1"), BYTES("")},
        {BYTES("\x74\0\0\0\2\x61\1\x6a\x61\2"), BYTES("")},
        {BYTES("\x74\0\0\0\2\x61\1\x6a"), BYTES("\x6a")},
    };
    ck_assert_int_eq(
        check_nested(nests[_i].before, nests[_i].before_size, nests[_i].behind, nests[_i].behind_size, TERM_DEPTH_MAX),
        TERM_OK);
    ck_assert_int_eq(check_nested(nests[_i].before, nests[_i].before_size, nests[_i].behind, nests[_i].behind_size,
                                  TERM_DEPTH_MAX + 1),
                     TERM_TOO_DEEP);
}
END_TEST

/* More keys than any first room, whose hashes must differ. */
START_TEST(distinguishes_many_keys)
{
    enum { PAIRS = 200000 };
    struct message message = {0};
    message_begin(&message);
    size_t start = message.length;
    message_put_map(&message, PAIRS);
    for (int i = 0; i < PAIRS; i++) {
        message_put_integer(&message, i);
        message_put_nil_list(&message);
    }
    ck_assert_int_eq(check_copy(message.bytes + start, message.length - start, NULL), TERM_OK);
    message_patch_length(&message, start + 1, PAIRS + 1);
    message_put_integer(&message, 77777);
    message_put_nil_list(&message);
    ck_assert_int_eq(check_copy(message.bytes + start, message.length - start, NULL), TERM_SAME_KEY);
    message_free(&message);
}
END_TEST

Suite *term_check_suite(void)
{
    Suite *suite = suite_create("term_check");
    TCase *tcase = tcase_create("beam");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, agrees_with_a_beam);
    tcase_add_loop_test(tcase, refuses_what_no_beam_reads, 0, (int)(sizeof refused / sizeof *refused));
    tcase_add_loop_test(tcase, accepts_what_newer_beams_write, 0, (int)(sizeof newer / sizeof *newer));
    tcase_add_loop_test(tcase, accepts_as_deep_as_it_says, 0, 4);
    tcase_add_test(tcase, distinguishes_many_keys);
    suite_add_tcase(suite, tcase);
    return suite;
}
