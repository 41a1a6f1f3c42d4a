/* Tests heads of terms: every form, cut at every byte, and sizes that lie. */
#include <check.h>

#include "bytes.h"
#include "suites.h"
#include "wire/term.h"

/* The atom a@b, as the node of a pid, port or reference. */
#define NODE                                                                                                           \
    "\x77\x03"                                                                                                         \
    "a@b"

static const struct form {
    const char *name, *bytes;
    size_t size;
    enum term_kind kind;
    size_t length, children;
    uint8_t detail;
} forms[] = {
    {"SMALL_INTEGER_EXT", BYTES("\x61\xff"), TERM_INTEGER, 1, 0, 0},
    {"INTEGER_EXT", BYTES("\x62\xff\xff\xff\xfe"), TERM_INTEGER, 4, 0, 0},
    {"SMALL_BIG_EXT", BYTES("\x6e\x02\x01\x34\x12"), TERM_INTEGER, 2, 0, 1},
    {"SMALL_BIG_EXT, no digits", BYTES("\x6e\x00\x00"), TERM_INTEGER, 0, 0, 0},
    {"LARGE_BIG_EXT", BYTES("\x6f\x00\x00\x00\x03\x00\x01\x02\x03"), TERM_INTEGER, 3, 0, 0},
    {"NEW_FLOAT_EXT", BYTES("\x46\x3f\xf8\x00\x00\x00\x00\x00\x00"), TERM_FLOAT, 8, 0, 0},
    {"FLOAT_EXT",
     BYTES("\x63"
           "1.50000000000000000000e+00\0\0\0\0\0"),
     TERM_FLOAT, 31, 0, 0},
    {"ATOM_EXT", BYTES("\x64\x00\x02ok"), TERM_ATOM, 2, 0, 0},
    {"SMALL_ATOM_EXT", BYTES("\x73\x02ok"), TERM_ATOM, 2, 0, 0},
    {"ATOM_UTF8_EXT", BYTES("\x76\x00\x02\xc3\xa4"), TERM_ATOM, 2, 0, 0},
    {"SMALL_ATOM_UTF8_EXT", BYTES("\x77\x02\xc3\xa4"), TERM_ATOM, 2, 0, 0},
    {"SMALL_ATOM_UTF8_EXT, empty", BYTES("\x77\x00"), TERM_ATOM, 0, 0, 0},
    {"NIL_EXT", BYTES("\x6a"), TERM_NIL, 0, 0, 0},
    {"STRING_EXT", BYTES("\x6b\x00\x03\x01\x02\x03"), TERM_STRING, 3, 0, 0},
    {"LIST_EXT", BYTES("\x6c\x00\x00\x00\x02\x61\x01\x61\x02\x6a"), TERM_LIST, 0, 3, 0},
    {"LIST_EXT, improper", BYTES("\x6c\x00\x00\x00\x01\x61\x01\x61\x02"), TERM_LIST, 0, 2, 0},
    {"SMALL_TUPLE_EXT", BYTES("\x68\x02\x61\x01\x6a"), TERM_TUPLE, 0, 2, 0},
    {"SMALL_TUPLE_EXT, empty", BYTES("\x68\x00"), TERM_TUPLE, 0, 0, 0},
    {"LARGE_TUPLE_EXT", BYTES("\x69\x00\x00\x00\x02\x61\x01\x6a"), TERM_TUPLE, 0, 2, 0},
    {"MAP_EXT", BYTES("\x74\x00\x00\x00\x01\x61\x01\x6d\x00\x00\x00\x01z"), TERM_MAP, 0, 2, 0},
    {"MAP_EXT, empty", BYTES("\x74\x00\x00\x00\x00"), TERM_MAP, 0, 0, 0},
    {"BINARY_EXT", BYTES("\x6d\x00\x00\x00\x03xyz"), TERM_BINARY, 3, 0, 0},
    {"BINARY_EXT, empty", BYTES("\x6d\x00\x00\x00\x00"), TERM_BINARY, 0, 0, 0},
    {"BIT_BINARY_EXT", BYTES("\x4d\x00\x00\x00\x02\x03\xff\xe0"), TERM_BITSTRING, 2, 0, 3},
    {"PID_EXT", BYTES("\x67" NODE "\x00\x00\x00\x01\x00\x00\x00\x02\x03"), TERM_PID, 9, 0, 0},
    {"NEW_PID_EXT", BYTES("\x58" NODE "\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03"), TERM_PID, 12, 0, 0},
    {"PORT_EXT", BYTES("\x66" NODE "\x00\x00\x00\x01\x02"), TERM_PORT, 5, 0, 0},
    {"NEW_PORT_EXT", BYTES("\x59" NODE "\x00\x00\x00\x01\x00\x00\x00\x02"), TERM_PORT, 8, 0, 0},
    {"V4_PORT_EXT", BYTES("\x78" NODE "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02"), TERM_PORT, 12, 0, 0},
    {"REFERENCE_EXT", BYTES("\x65" NODE "\x00\x00\x00\x01\x02"), TERM_REFERENCE, 5, 0, 0},
    {"NEW_REFERENCE_EXT", BYTES("\x72\x00\x01" NODE "\x01\x00\x00\x00\x01"), TERM_REFERENCE, 5, 0, 0},
    {"NEWER_REFERENCE_EXT", BYTES("\x5a\x00\x02" NODE "\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x02"),
     TERM_REFERENCE, 12, 0, 0},
    {"NEW_FUN_EXT", BYTES("\x70\x00\x00\x00\x07\x01\x02\x03"), TERM_FUN, 3, 0, 0},
    {"EXPORT_EXT",
     BYTES("\x71\x77\x03lib\x77\x01"
           "f\x61\x02"),
     TERM_FUN, 0, 0, 0},
};

#define FORMS ((int)(sizeof forms / sizeof *forms))

START_TEST(reads_every_form)
{
    const struct form *form = &forms[_i];
    unsigned char *copy = bytes_copy(form->bytes, form->size);
    struct span span = span_of(copy, form->size);
    struct term_head head;
    ck_assert_msg(term_read_head(&span, &head) == TERM_OK, "%s", form->name);
    ck_assert_int_eq(head.kind, form->kind);
    ck_assert_uint_eq(head.tag, copy[0]);
    ck_assert_ptr_eq(head.start, copy);
    ck_assert_uint_eq(head.children, form->children);
    if (form->kind == TERM_INTEGER || form->kind == TERM_BITSTRING)
        ck_assert_uint_eq(head.detail, form->detail);
    /* The data of opaque terms is not used, but it ends where they end. */
    if (form->children == 0 && form->name[0] != 'E')
        ck_assert_uint_eq(head.length, form->length);
    span.position = 0;
    ck_assert_msg(term_skip(&span) == TERM_OK, "%s", form->name);
    ck_assert_uint_eq(span.position, form->size);
    free(copy);
}
END_TEST

START_TEST(refuses_every_form_cut_short)
{
    const struct form *form = &forms[_i];
    for (size_t size = 0; size < form->size; size++) {
        unsigned char *copy = bytes_copy(form->bytes, size);
        struct span span = span_of(copy, size);
        ck_assert_msg(term_skip(&span) == TERM_TRUNCATED, "%s, %zu bytes of it", form->name, size);
        ck_assert_uint_le(span.position, size);
        free(copy);
    }
}
END_TEST

/* One term inside another, cut anywhere. */
START_TEST(refuses_every_nested_form_cut_short)
{
    const struct form *form = &forms[_i];
    unsigned char whole[128] = "\x68\x02\x61\x01";
    memcpy(whole + 4, form->bytes, form->size);
    for (size_t size = 0; size < 4 + form->size; size++) {
        unsigned char *copy = bytes_copy(whole, size);
        struct span span = span_of(copy, size);
        ck_assert_msg(term_skip(&span) == TERM_TRUNCATED, "%s in a tuple, %zu bytes of it", form->name, size);
        free(copy);
    }
}
END_TEST

static const struct bad {
    const char *name, *bytes;
    size_t size;
    enum term_status status;
} bad_terms[] = {
    {"a binary of 4 GiB", BYTES("\x6d\xff\xff\xff\xffxyz"), TERM_TRUNCATED},
    {"a bitstring of 4 GiB", BYTES("\x4d\xff\xff\xff\xff\x08xyz"), TERM_TRUNCATED},
    {"an integer of 4 GiB", BYTES("\x6f\xff\xff\xff\xff\x00xyz"), TERM_TRUNCATED},
    {"a list of 4,294,967,295 elements", BYTES("\x6c\xff\xff\xff\xff\x6a\x6a"), TERM_TRUNCATED},
    {"a tuple of 4,294,967,295 elements", BYTES("\x69\xff\xff\xff\xff\x6a\x6a"), TERM_TRUNCATED},
    {"a map of 4,294,967,295 pairs", BYTES("\x74\xff\xff\xff\xff\x6a\x6a"), TERM_TRUNCATED},
    {"a fun of 4 GiB", BYTES("\x70\xff\xff\xff\xff\x6a\x6a"), TERM_TRUNCATED},
    {"a string of 65,535 bytes", BYTES("\x6b\xff\xffxyz"), TERM_TRUNCATED},
    {"an atom of 65,535 bytes", BYTES("\x64\xff\xffxyz"), TERM_TRUNCATED},
    {"a list without its tail", BYTES("\x6c\x00\x00\x00\x01\x61\x01"), TERM_TRUNCATED},
    {"a map without its last value", BYTES("\x74\x00\x00\x00\x01\x6a"), TERM_TRUNCATED},
    {"tuples that each want all the rest", BYTES("\x68\x04\x68\x03\x68\x02\x6a\x6a"), TERM_TRUNCATED},
    {"a bitstring of 9 bits in its last byte", BYTES("\x4d\x00\x00\x00\x01\x09\xff"), TERM_MALFORMED},
    {"a bitstring of 0 bits in its last byte", BYTES("\x4d\x00\x00\x00\x01\x00\xff"), TERM_MALFORMED},
    {"a bitstring of bits in no byte", BYTES("\x4d\x00\x00\x00\x00\x01"), TERM_MALFORMED},
    {"a bitstring without bits", BYTES("\x4d\x00\x00\x00\x00\x00"), TERM_MALFORMED},
    {"a reference of 0 words", BYTES("\x5a\x00\x00" NODE "\x00\x00\x00\x00"), TERM_MALFORMED},
    {"a reference of 6 words",
     BYTES("\x72\x00\x06" NODE "\x00"
           "012345678901234567890123"),
     TERM_MALFORMED},
    {"a fun whose size is less than the size's own", BYTES("\x70\x00\x00\x00\x03\x00"), TERM_MALFORMED},
    {"a pid on node 1",
     BYTES("\x58\x61\x01"
           "0123456789ab"),
     TERM_MALFORMED},
    {"a port on node []",
     BYTES("\x59\x6a"
           "01234567"),
     TERM_MALFORMED},
    {"a pid on a pid",
     BYTES("\x58\x58" NODE "0123456789ab"
           "0123456789ab"),
     TERM_MALFORMED},
    {"a reference on a reference",
     BYTES("\x65\x65" NODE "01234"
           "01234"),
     TERM_MALFORMED},
    {"an exported fun of module 1",
     BYTES("\x71\x61\x01\x77\x01"
           "f\x61\x02"),
     TERM_MALFORMED},
    {"an exported fun of arity 'f'",
     BYTES("\x71\x77\x01m\x77\x01"
           "f\x77\x01"
           "f"),
     TERM_MALFORMED},
    {"an exported fun of a large arity",
     BYTES("\x71\x77\x01m\x77\x01"
           "f\x62\x00\x00\x01\x00"),
     TERM_MALFORMED},
    {"a compressed term", BYTES("\x50\x00\x00\x00\x10\x78\x9c"), TERM_COMPRESSED},
    {"a compressed term in a list", BYTES("\x6c\x00\x00\x00\x01\x50\x00\x00\x00\x10\x6a"), TERM_COMPRESSED},
};

START_TEST(refuses_what_cannot_be)
{
    const struct bad *bad = &bad_terms[_i];
    unsigned char *copy = bytes_copy(bad->bytes, bad->size);
    struct span span = span_of(copy, bad->size);
    enum term_status status = term_skip(&span);
    ck_assert_msg(status == bad->status, "%s: %s", bad->name, term_status_text(status));
    free(copy);
}
END_TEST

static bool is_known(int tag)
{
    for (int i = 0; i < FORMS; i++)
        if ((unsigned char)forms[i].bytes[0] == tag)
            return true;
    return tag == TERM_TAG_COMPRESSED;
}

START_TEST(refuses_unknown_tags)
{
    for (int tag = 0; tag < 256; tag++) {
        unsigned char bytes[64] = {(unsigned char)tag};
        struct span span = span_of(bytes, sizeof bytes);
        struct term_head head;
        enum term_status status = term_read_head(&span, &head);
        ck_assert_msg((status == TERM_UNKNOWN) == !is_known(tag), "tag %d: %s", tag, term_status_text(status));
    }
}
END_TEST

START_TEST(stays_at_the_tag_that_failed)
{
    static const char bytes[] = "\x68\x03\x61\x01\x6d\x00\x00\x00\x09xy";
    struct span span = span_of(BYTES(bytes));
    ck_assert_int_eq(term_skip(&span), TERM_TRUNCATED);
    ck_assert_uint_eq(span.position, 4);
}
END_TEST

START_TEST(skips_one_term_alone)
{
    struct span span = span_of(BYTES("\x61\x01\x61\x02"));
    ck_assert_int_eq(term_skip(&span), TERM_OK);
    ck_assert_uint_eq(span.position, 2);
}
END_TEST

/* As many nested lists as the bytes allow: no recursion, so no limit. */
START_TEST(skips_however_deep)
{
    enum { DEPTH = 1000000 };
    unsigned char *bytes = malloc(6 * DEPTH + 1);
    for (size_t i = 0; i < DEPTH; i++)
        memcpy(bytes + 5 * i, "\x6c\x00\x00\x00\x01", 5);
    memset(bytes + 5 * DEPTH, 0x6a, DEPTH + 1);
    struct span span = span_of(bytes, 6 * DEPTH + 1);
    ck_assert_int_eq(term_skip(&span), TERM_OK);
    ck_assert_uint_eq(span_left(&span), 0);
    free(bytes);
}
END_TEST

/* A node's name is an atom, and no pid whose node is a pid whose node is… */
START_TEST(does_not_descend_into_nodes)
{
    enum { DEPTH = 4000000 };
    static const unsigned char tags[] = {88, 89, 90, 101, 102, 103, 113, 114, 120};
    unsigned char *bytes = malloc(DEPTH);
    memset(bytes, tags[_i], DEPTH);
    if (tags[_i] == 90 || tags[_i] == 114)
        for (size_t i = 0; i + 3 <= DEPTH; i += 3)
            memcpy(bytes + i, (const unsigned char[]){tags[_i], 0, 1}, 3);
    struct span span = span_of(bytes, DEPTH);
    ck_assert_int_eq(term_skip(&span), TERM_MALFORMED);
    free(bytes);
}
END_TEST

START_TEST(compares_atoms)
{
    struct term_head atom = {.kind = TERM_ATOM, .tag = 119, .data = (const unsigned char *)"evalx", .length = 4};
    ck_assert(term_is_atom(&atom, "eval"));
    ck_assert(!term_is_atom(&atom, "eva"));
    ck_assert(!term_is_atom(&atom, "evalx"));
    ck_assert(!term_atom_is_latin1(&atom));
    atom.tag = 100;
    ck_assert(term_atom_is_latin1(&atom));
    atom.tag = 115;
    ck_assert(term_atom_is_latin1(&atom));
    atom.kind = TERM_BINARY;
    ck_assert(!term_is_atom(&atom, "eval"));
}
END_TEST

/* -- integers ----------------------------------------------------------------------------------------------------- */

static const struct number {
    const char *bytes;
    size_t size;
    bool fits;
    long long value;
} numbers[] = {
    {BYTES("\x61\x00"), true, 0},
    {BYTES("\x61\xff"), true, 255},
    {BYTES("\x62\x7f\xff\xff\xff"), true, INT32_MAX},
    {BYTES("\x62\x80\x00\x00\x00"), true, INT32_MIN},
    {BYTES("\x62\xff\xff\xff\xff"), true, -1},
    {BYTES("\x6e\x00\x00"), true, 0},
    {BYTES("\x6e\x00\x01"), true, 0},
    {BYTES("\x6e\x01\x01\x05"), true, -5},
    {BYTES("\x6e\x01\x02\x05"), true, -5},
    {BYTES("\x6e\x08\x00\xff\xff\xff\xff\xff\xff\xff\x7f"), true, INT64_MAX},
    {BYTES("\x6e\x08\x00\x00\x00\x00\x00\x00\x00\x00\x80"), false, 0},
    {BYTES("\x6e\x08\x01\x00\x00\x00\x00\x00\x00\x00\x80"), true, INT64_MIN},
    {BYTES("\x6e\x08\x01\x01\x00\x00\x00\x00\x00\x00\x80"), false, 0},
    {BYTES("\x6e\x08\x00\xff\xff\xff\xff\xff\xff\xff\xff"), false, 0},
    {BYTES("\x6e\x09\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01"), false, 0},
    {BYTES("\x6e\x0a\x01\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00"), true, -7},
    {BYTES("\x6f\x00\x00\x00\x02\x00\x00\x01"), true, 256},
    {BYTES("\x6f\x00\x00\x00\x00\x01"), true, 0},
    {BYTES("\x46\x3f\xf0\x00\x00\x00\x00\x00\x00"), false, 0},
    {BYTES("\x6a"), false, 0},
    {BYTES("\x6d\x00\x00\x00\x01\x05"), false, 0},
    {BYTES("\x77\x01"
           "a"),
     false, 0},
};

START_TEST(gives_the_value_of_integers)
{
    const struct number *number = &numbers[_i];
    unsigned char *copy = bytes_copy(number->bytes, number->size);
    struct span span = span_of(copy, number->size);
    struct term_head head;
    long long value = 0;
    ck_assert_int_eq(term_read_head(&span, &head), TERM_OK);
    ck_assert(term_integer(&head, &value) == number->fits);
    ck_assert_int_eq(value, number->value);
    free(copy);
}
END_TEST

/* -- the first large binary --------------------------------------------------------------------------------------- */

#define LARGE 5

/* Each ends with a binary of LARGE bytes. */
static const struct holder {
    const char *bytes;
    size_t size;
} holders[] = {
    {BYTES("\x6d\0\0\0\x05xxxxx")},
    {BYTES("\x68\x02\x61\x01\x6d\0\0\0\x05xxxxx")},
    {BYTES("\x69\0\0\0\x02\x61\x01\x6d\0\0\0\x05xxxxx")},
    {BYTES("\x74\0\0\0\x01\x77\x04"
           "data\x6d\0\0\0\x05xxxxx")},
    {BYTES("\x6c\0\0\0\x02\x6d\0\0\0\x04yyyy\x6d\0\0\0\x05xxxxx")},
    {BYTES("\x68\x03\x58" NODE "0123456789ab\x6b\0\x03"
           "abc\x6d\0\0\0\x05xxxxx")},
    /* in a list and a tuple that go on for long behind it */
    {BYTES("\x6c\0\1\0\0\x68\xff\x61\x01\x6d\0\0\0\x05xxxxx")},
    {BYTES("\x74\xff\xff\xff\xff\x69\xff\xff\xff\xff\x6d\0\0\0\x05xxxxx")},
};

/* Its bytes need not be there, but its length must. */
START_TEST(finds_a_large_binary)
{
    const struct holder *holder = &holders[_i];
    for (size_t size = 0; size <= holder->size; size++) {
        unsigned char *copy = bytes_copy(holder->bytes, size);
        size_t found = term_find_binary(span_of(copy, size), LARGE);
        ck_assert_uint_eq(found, size >= holder->size - LARGE ? holder->size - LARGE : 0);
        ck_assert_uint_eq(term_find_binary(span_of(copy, size), LARGE + 1), 0);
        free(copy);
    }
}
END_TEST

START_TEST(finds_the_first_of_large_binaries)
{
    static const char bytes[] = "\x83\x68\x03\x6d\0\0\0\x02xx\x6d\0\0\0\x03xxx\x6d\0\0\0\x04xxxx";
    struct span span = span_of(BYTES(bytes));
    span.position = 1;
    ck_assert_uint_eq(term_find_binary(span, 2), 8);
    ck_assert_uint_eq(term_find_binary(span, 3), 15);
    ck_assert_uint_eq(term_find_binary(span, 4), 23);
    ck_assert_uint_eq(term_find_binary(span, 5), 0);
}
END_TEST

/* Bytes that cannot be a term end the search. */
START_TEST(finds_nothing_behind_garbage)
{
    static const struct holder bad[] = {
        {BYTES("")},
        {BYTES("\x00\x6d\0\0\0\x05xxxxx")},
        {BYTES("\x50\x6d\0\0\0\x05xxxxx")},
        {BYTES("\x4d\0\0\0\x05\x08xxxxx")},
        {BYTES("\x6b\0\x05xxxxx")},
        {BYTES("\x58\x58\x6d\0\0\0\x05xxxxx")},
        {BYTES("\x6f\0\0\0\x09\0\x6d\0\0\0")},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        unsigned char *copy = bytes_copy(bad[i].bytes, bad[i].size);
        ck_assert_msg(term_find_binary(span_of(copy, bad[i].size), LARGE) == 0, "term %zu", i);
        free(copy);
    }
}
END_TEST

/* Of every form, cut anywhere: no byte is read beyond the cut. */
START_TEST(looks_no_further_than_the_cut)
{
    const struct form *form = &forms[_i];
    for (size_t size = 0; size <= form->size; size++) {
        unsigned char *copy = bytes_copy(form->bytes, size);
        ck_assert_uint_eq(term_find_binary(span_of(copy, size), LARGE), 0);
        free(copy);
    }
}
END_TEST

START_TEST(names_every_status)
{
    for (int status = TERM_OK; status <= TERM_MALFORMED; status++)
        ck_assert_ptr_nonnull(term_status_text((enum term_status)status));
}
END_TEST

Suite *term_suite(void)
{
    Suite *suite = suite_create("term");
    TCase *forms_case = tcase_create("forms");
    tcase_add_loop_test(forms_case, reads_every_form, 0, FORMS);
    tcase_add_loop_test(forms_case, refuses_every_form_cut_short, 0, FORMS);
    tcase_add_loop_test(forms_case, refuses_every_nested_form_cut_short, 0, FORMS);
    suite_add_tcase(suite, forms_case);
    TCase *bad_case = tcase_create("bad");
    tcase_add_loop_test(bad_case, refuses_what_cannot_be, 0, (int)(sizeof bad_terms / sizeof *bad_terms));
    tcase_add_loop_test(bad_case, does_not_descend_into_nodes, 0, 9);
    tcase_add_test(bad_case, refuses_unknown_tags);
    tcase_add_test(bad_case, stays_at_the_tag_that_failed);
    tcase_add_test(bad_case, skips_one_term_alone);
    tcase_add_test(bad_case, skips_however_deep);
    tcase_add_test(bad_case, compares_atoms);
    tcase_add_test(bad_case, names_every_status);
    suite_add_tcase(suite, bad_case);
    TCase *values = tcase_create("values");
    tcase_add_loop_test(values, gives_the_value_of_integers, 0, (int)(sizeof numbers / sizeof *numbers));
    tcase_add_loop_test(values, finds_a_large_binary, 0, (int)(sizeof holders / sizeof *holders));
    tcase_add_test(values, finds_the_first_of_large_binaries);
    tcase_add_test(values, finds_nothing_behind_garbage);
    tcase_add_loop_test(values, looks_no_further_than_the_cut, 0, FORMS);
    suite_add_tcase(suite, values);
    return suite;
}
