/* Tests terms to objects, by a table of bytes and of the Python expressions that they stand for. */
#include <check.h>
#include <stdio.h>

#include "bytes.h"
#include "codec/decode.h"
#include "codec/refs.h"
#include "codec/types.h"
#include "python/errors.h"
#include "python_fixture.h"
#include "suites.h"
#include "terms.h"
#include "wire/message.h"

/* Decodes from an exactly sized copy, as the whole frame. */
static PyObject *decode(const void *bytes, size_t length, bool as_bytes, size_t *used)
{
    unsigned char *copy = bytes_copy(bytes, length);
    struct decoder decoder = decoder_of(span_of(copy, length), as_bytes);
    PyObject *object = decode_term(&decoder, "value");
    if (used != NULL)
        *used = decoder.span.position;
    free(copy);
    return object;
}

static void expect(const void *bytes, size_t length, bool as_bytes, const char *expression)
{
    size_t used;
    PyObject *object = decode(bytes, length, as_bytes, &used);
    if (object == NULL)
        PyErr_Print();
    ck_assert_msg(object != NULL, "no object, where %s was expected", expression);
    ck_assert_uint_eq(used, length);
    PyObject *expected = python_eval(expression);
    python_assert_alike(object, expected, expression);
    Py_DECREF(expected);
    Py_DECREF(object);
}

static void expect_failure(const void *bytes, size_t length, bool as_bytes, const char *message)
{
    PyObject *object = decode(bytes, length, as_bytes, NULL);
    ck_assert_msg(object == NULL, "an object, where an error was expected: %s", message);
    char *error = python_take_error();
    ck_assert_msg(strstr(error, message) != NULL, "expected '%s' in '%s'", message, error);
    free(error);
}

/* -- plain terms -------------------------------------------------------------------------------------------------- */

#define FLOAT_TEXT(text) "\x63" text "\0\0\0\0\0"

static const struct plain {
    const char *bytes;
    size_t length;
    const char *expression;
} plain[] = {
    {BYTES("\x61\x00"), "0"},
    {BYTES("\x61\xff"), "255"},
    {BYTES("\x62\x00\x00\x01\x00"), "256"},
    {BYTES("\x62\xff\xff\xff\xff"), "-1"},
    {BYTES("\x62\x80\x00\x00\x00"), "-2**31"},
    {BYTES("\x6e\x00\x00"), "0"},
    {BYTES("\x6e\x00\x01"), "0"},
    {BYTES("\x6e\x01\x01\x05"), "-5"},
    {BYTES("\x6e\x04\x00\x00\x00\x00\x80"), "2**31"},
    {BYTES("\x6e\x05\x00\x01\x00\x00\x00\x00"), "1"},
    {BYTES("\x6e\x08\x00\xff\xff\xff\xff\xff\xff\xff\x7f"), "2**63 - 1"},
    {BYTES("\x6e\x08\x00\xff\xff\xff\xff\xff\xff\xff\xff"), "2**64 - 1"},
    {BYTES("\x6e\x08\x01\x00\x00\x00\x00\x00\x00\x00\x80"), "-2**63"},
    {BYTES("\x6e\x08\x01\x01\x00\x00\x00\x00\x00\x00\x80"), "-2**63 - 1"},
    {BYTES("\x6e\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), "2**64"},
    {BYTES("\x6e\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01"), "-2**64"},
    {BYTES("\x6f\x00\x00\x00\x01\x00\x07"), "7"},
    {BYTES("\x6f\x00\x00\x00\x00\x00"), "0"},
    {BYTES("\x46\x3f\xf8\x00\x00\x00\x00\x00\x00"), "1.5"},
    {BYTES("\x46\x80\x00\x00\x00\x00\x00\x00\x00"), "-0.0"},
    {BYTES("\x46\x00\x00\x00\x00\x00\x00\x00\x01"), "5e-324"},
    {BYTES(FLOAT_TEXT("1.50000000000000000000e+00")), "1.5"},
    {BYTES(FLOAT_TEXT("-2.5000000000000000000e-10")), "-2.5e-10"},
    {BYTES("\x77\x03nil"), "None"},
    {BYTES("\x77\x04true"), "True"},
    {BYTES("\x77\x05"
           "false"),
     "False"},
    {BYTES("\x64\x00\x03nil"), "None"},
    {BYTES("\x73\x04true"), "True"},
    {BYTES("\x76\x00\x05"
           "false"),
     "False"},
    {BYTES("\x77\x03nan"), "math.nan"},
    {BYTES("\x77\x08infinity"), "math.inf"},
    {BYTES("\x77\x0cneg_infinity"), "-math.inf"},
    {BYTES("\x77\x02ok"), "Atom('ok')"},
    {BYTES("\x77\x00"), "Atom('')"},
    {BYTES("\x77\x04None"), "Atom('None')"},
    {BYTES("\x77\x02\xc3\xa4"), "Atom('\u00e4')"},
    {BYTES("\x73\x01\xe4"), "Atom('\u00e4')"},
    {BYTES("\x64\x00\x01\xe4"), "Atom('\u00e4')"},
    {BYTES("\x6a"), "[]"},
    {BYTES("\x6b\x00\x03\x00\x7f\xff"), "[0, 127, 255]"},
    {BYTES("\x6b\x00\x00"), "[]"},
    {BYTES("\x6c\x00\x00\x00\x02\x61\x01\x6c\x00\x00\x00\x01\x61\x02\x6a\x6a"), "[1, [2]]"},
    {BYTES("\x6c\x00\x00\x00\x00\x6a"), "[]"},
    {BYTES("\x68\x00"), "()"},
    {BYTES("\x68\x02\x61\x01\x77\x01x"), "(1, Atom('x'))"},
    {BYTES("\x69\x00\x00\x00\x01\x6a"), "([],)"},
    {BYTES("\x74\x00\x00\x00\x00"), "{}"},
    {BYTES("\x74\x00\x00\x00\x02\x77\x01"
           "a\x61\x01\x6d\x00\x00\x00\x01"
           "b\x61\x02"),
     "{Atom('a'): 1, 'b': 2}"},
    {BYTES("\x74\x00\x00\x00\x02\x61\x01\x61\x01\x77\x03nil\x6a"), "{1: 1, None: []}"},
    {BYTES("\x74\x00\x00\x00\x01\x68\x02\x61\x01\x61\x02\x6a"), "{(1, 2): []}"},
    {BYTES("\x6d\x00\x00\x00\x00"), "''"},
    {BYTES("\x6d\x00\x00\x00\x03"
           "a\0b"),
     "'a\\0b'"},
    {BYTES("\x6d\x00\x00\x00\x04\xf0\x9f\x90\x8d"), "'\U0001F40D'"},
};

START_TEST(decodes)
{
    expect(plain[_i].bytes, plain[_i].length, false, plain[_i].expression);
}
END_TEST

/* Cut anywhere, each of them is an error that says so, and nothing is read beyond the cut. */
START_TEST(refuses_what_is_cut)
{
    for (size_t length = 0; length < plain[_i].length; length++)
        expect_failure(plain[_i].bytes, length, false, "the term promises more bytes than the frame holds");
}
END_TEST

static const struct plain as_bytes[] = {
    {BYTES("\x6d\x00\x00\x00\x02\xff\x00"), "b'\\xff\\0'"},
    {BYTES("\x77\x02ok"), "Atom('ok')"},
    {BYTES("\x6b\x00\x01x"), "[120]"},
    {BYTES("\x74\x00\x00\x00\x01\x6d\x00\x00\x00\x01"
           "b\x6d\x00\x00\x00\x01"
           "c"),
     "{b'b': b'c'}"},
    {BYTES("\x6c\x00\x00\x00\x01\x6d\x00\x00\x00\x01"
           "b\x6a"),
     "[b'b']"},
};

START_TEST(decodes_binaries_as_bytes)
{
    expect(as_bytes[_i].bytes, as_bytes[_i].length, true, as_bytes[_i].expression);
}
END_TEST

static const struct plain failures[] = {
    {BYTES("\x6d\x00\x00\x00\x02\xff\x00"), "DecodeError: value: a binary that is not UTF-8"},
    {BYTES("\x6d\x00\x00\x00\x03\xed\xa0\x80"), "value: a binary that is not UTF-8"},
    {BYTES("\x6d\x00\x00\x00\x01\xc3"), "value: a binary that is not UTF-8"},
    {BYTES("\x77\x02\xff\xff"), "DecodeError: value: an atom that is not UTF-8"},
    {BYTES("\x6c\x00\x00\x00\x02\x61\x01\x6d\x00\x00\x00\x01\xff\x6a"), "DecodeError: value[1]: a binary that is not"},
    {BYTES("\x68\x02\x61\x01\x68\x01\x6d\x00\x00\x00\x01\xff"), "value[1][0]: a binary that is not"},
    {BYTES("\x74\x00\x00\x00\x01\x77\x01"
           "a\x6d\x00\x00\x00\x01\xff"),
     "value[\"a\"]: a binary that is not"},
    {BYTES("\x74\x00\x00\x00\x01\x61\x05\x6d\x00\x00\x00\x01\xff"), "value[5]: a binary that is not"},
    {BYTES("\x74\x00\x00\x00\x01\x6d\x00\x00\x00\x01\xff\x61\x05"), "value[key]: a binary that is not"},
    {BYTES("\x6c\x00\x00\x00\x01\x61\x01\x61\x02"), "DecodeError: value: an improper list has no form in Python"},
    {BYTES("\x68\x01\x6c\x00\x00\x00\x01\x61\x01\x61\x02"), "value[0]: an improper list"},
    {BYTES("\x6c\x00\x00\x00\x01\x61\x01\x6b\x00\x01\x02"), "value: an improper list"},
    {BYTES("\x74\x00\x00\x00\x02\x61\x01\x6a\x46\x3f\xf0\0\0\0\0\0\0\x6a"),
     "value[1.0]: a map key that is equal to an"},
    {BYTES("\x74\x00\x00\x00\x02\x61\x01\x6a\x77\x04true\x6a"), "value[True]: a map key that is equal to an earlier"},
    {BYTES("\x74\x00\x00\x00\x02\x6d\0\0\0\1"
           "a\x6a\x77\x01"
           "a\x6a"),
     "value[\"a\"]: a map key that is equal to an"},
    {BYTES("\x74\x00\x00\x00\x02\x61\x01\x6a\x61\x01\x6a"), "value[1]: a map key that is equal to an earlier one"},
    {BYTES("\x74\x00\x00\x00\x01\x6a\x61\x01"), "value[[]]: a map key that Python cannot hash"},
    {BYTES("\x74\x00\x00\x00\x01\x74\0\0\0\0\x61\x01"), "value[{}]: a map key that Python cannot hash"},
    {BYTES("\x74\x00\x00\x00\x01\x68\x01\x6a\x61\x01"), "value[([],)]: a map key that Python cannot hash"},
    {BYTES("\x50\x00\x00\x00\x10xx"), "value: compressed terms are not accepted"},
    {BYTES("\x6c\x00\x00\x00\x01\xff\x6a"), "value[0]: unknown tag of the external term format"},
    {BYTES("\x46\x7f\xf0\x00\x00\x00\x00\x00\x00"), "value: not a finite float"},
    {BYTES("\x46\x7f\xf8\x00\x00\x00\x00\x00\x00"), "value: not a finite float"},
    {BYTES(FLOAT_TEXT("zzzzzzzzzzzzzzzzzzzzzzzzzz")), "value: not a finite float"},
    {BYTES("\x68\x02\x77\x04$ref\x61\x63"), "DecodeError: value: there is no object under reference 99"},
    {BYTES("\x6c\0\0\0\1\x68\x02\x77\x04$ref\x6e\x09\0zzzzzzzzz\x6a"), "value[0]: there is no object under reference"},
};

static const struct {
    const char *bytes;
    size_t length;
    long long byte;
} places[] = {
    {BYTES("\x6d\x00\x00\x00\x01\xc3"), 0},
    {BYTES("\x6c\x00\x00\x00\x01\x61\x01\x61\x02"), 7},
    {BYTES("\x68\x02\x61\x01\x68\x01\x6d\x00\x00\x00\x01\xff"), 6},
    {BYTES("\x6c\x00\x00\x00\x01\xff\x6a"), 5},
    {BYTES("\x68\x01\x74\x00\x00\x00\x01\x77\x0a__struct__\x77\x0d"
           "Elixir.MapSet"),
     7},
    {BYTES("\x68\x02\x77\x04$ref\x61\x63"), -1},
};

START_TEST(notes_the_byte)
{
    PyObject *object = decode(places[_i].bytes, places[_i].length, false, NULL);
    ck_assert_ptr_null(object);
    PyObject *exception = errors_take();
    ck_assert(PyErr_GivenExceptionMatches(exception, errors_DecodeError));
    ck_assert_int_eq(errors_byte_of(exception), places[_i].byte);
    ck_assert_ptr_null(PyErr_Occurred());
    Py_DECREF(exception);
}
END_TEST

START_TEST(fails_with_the_place)
{
    expect_failure(failures[_i].bytes, failures[_i].length, false, failures[_i].expression);
}
END_TEST

/* The text of an old float fills its 31 bytes without an end. */
START_TEST(reads_an_old_float_to_its_end)
{
    expect(BYTES("\x63"
                 "1.50000000000000000000000000000"),
           false, "1.5");
}
END_TEST

START_TEST(shortens_long_paths)
{
    struct message message = {0};
    message_begin(&message);
    for (int i = 0; i < 300; i++)
        message_put_tuple(&message, 1);
    message_put_binary(&message, "\xff", 1);
    PyObject *object = decode(message.bytes + 5, message.length - 5, false, NULL);
    ck_assert_ptr_null(object);
    char *error = python_take_error();
    ck_assert_int_eq(strncmp(error, "DecodeError: value[0][0]", 24), 0);
    ck_assert_ptr_nonnull(strstr(error, "a binary that is not UTF-8"));
    free(error);
    message_free(&message);
}
END_TEST

/* The cache of short texts must not return one text for another. */
START_TEST(keeps_texts_apart)
{
    for (int i = 0; i < 5000; i++) {
        char name[32], expression[128];
        struct message message = {0};
        snprintf(name, sizeof name, "k%d", i % 3000);
        snprintf(expression, sizeof expression, "[{'%s': Atom('%s')}]", name, name);
        message_begin(&message);
        terms_put(&message, "[#{%s => %a}]", name, name);
        expect(message.bytes + 5, message.length - 5, false, expression);
        message_free(&message);
    }
}
END_TEST

/* -- depth -------------------------------------------------------------------------------------------------------- */

/* Nests lists, tuples or maps of one element `depth` levels deep, with an empty list inside. */
static PyObject *decode_nested(char form, size_t depth)
{
    struct message message = {0};
    message_begin(&message);
    for (size_t i = 0; i < depth; i++) {
        if (form == 'l')
            message_put_list(&message, 1);
        else if (form == 't')
            message_put_tuple(&message, 1);
        else
            message_put_raw(&message, BYTES("\x74\0\0\0\1\x61\1"));
    }
    message_put_nil_list(&message);
    for (size_t i = 0; i < depth && form == 'l'; i++)
        message_put_nil_list(&message);
    PyObject *object = decode(message.bytes + 5, message.length - 5, false, NULL);
    message_free(&message);
    return object;
}

START_TEST(takes_terms_of_some_depth)
{
    PyObject *object = decode_nested("ltm"[_i], 5000);
    ck_assert_ptr_nonnull(object);
    python_set("deep", object);
    python_exec("depth = 0\n"
                "while deep:\n"
                "    depth += 1\n"
                "    deep = deep[1] if isinstance(deep, dict) else deep[0]\n"
                "assert depth == 5000");
    Py_DECREF(object);
}
END_TEST

START_TEST(refuses_terms_nested_too_deeply)
{
    PyObject *object = decode_nested("ltm"[_i], 1000000);
    ck_assert_ptr_null(object);
    char *error = python_take_error();
    ck_assert_msg(strstr(error, "nested too deeply") != NULL, "%s", error);
    free(error);
}
END_TEST

/* A tuple is hashed all the way down when it is a key. */
START_TEST(survives_deep_keys)
{
    struct message message = {0};
    message_begin(&message);
    message_put_map(&message, 2);
    for (int key = 0; key < 2; key++) {
        for (int i = 0; i < 5000; i++)
            message_put_tuple(&message, 1);
        message_put_integer(&message, key);
        message_put_integer(&message, 1);
    }
    PyObject *object = decode(message.bytes + 5, message.length - 5, false, NULL);
    PyErr_Clear();
    Py_XDECREF(object);
    message_free(&message);
}
END_TEST

/* -- structs ------------------------------------------------------------------------------------------------------ */

static const struct structure {
    const char *term, *expression;
} structures[] = {
    {"#{__struct__ => Elixir.PythonxPort.Bytes, data => 'abc'}", "b'abc'"},
    {"#{data => 'abc', __struct__ => Elixir.PythonxPort.Bytes}", "b'abc'"},
    {"#{__struct__ => Elixir.MapSet, map => #{1 => [], 'a' => []}}", "{1, 'a'}"},
    {"#{__struct__ => Elixir.MapSet, map => #{1 => []}, version => 2}", "{1}"},
    {"#{__struct__ => Elixir.MapSet, map => #{}}", "set()"},
    {"#{__struct__ => Elixir.MapSet, map => #{#{__struct__ => Elixir.MapSet, map => #{1 => []}} => []}}",
     "{frozenset({1})}"},
    {"#{#{__struct__ => Elixir.MapSet, map => #{1 => []}} => 2}", "{frozenset({1}): 2}"},
    {"#{{1, #{__struct__ => Elixir.MapSet, map => #{}}} => 2}", "{(1, frozenset()): 2}"},
    {"#{1 => #{__struct__ => Elixir.MapSet, map => #{2 => []}}}", "{1: {2}}"},
    {"#{__struct__ => Elixir.Date, calendar => Elixir.Calendar.ISO, year => 2024, month => 2, day => 29}",
     "date(2024, 2, 29)"},
    {"#{__struct__ => Elixir.Time, calendar => Elixir.Calendar.ISO, hour => 23, minute => 59, second => 58,"
     "  microsecond => {123456, 6}}",
     "time(23, 59, 58, 123456)"},
    {"#{__struct__ => Elixir.NaiveDateTime, calendar => Elixir.Calendar.ISO, year => 2024, month => 2, day => 29,"
     "  hour => 1, minute => 2, second => 3, microsecond => {0, 0}}",
     "datetime.datetime(2024, 2, 29, 1, 2, 3)"},
    {"#{__struct__ => Elixir.Range, first => 1, last => 10, step => 3}", "range(1, 11, 3)"},
    {"#{__struct__ => Elixir.Range, first => 10, last => 1, step => -3}", "range(10, 0, -3)"},
    {"#{__struct__ => Elixir.Range, first => 1, last => 0, step => 1}", "range(1, 1)"},
    {"#{__struct__ => Elixir.Range, first => 1, last => 3}", "range(1, 4)"},
    {"#{__struct__ => Elixir.Range, first => 3, last => 1}", "range(3, 0, -1)"},
    {"#{__struct__ => Elixir.Duration, year => 0, month => 0, week => 0, day => 0, hour => 0, minute => 0, second => "
     "0, microsecond => {0, 0}}",
     "timedelta(0)"},
    {"#{__struct__ => Elixir.Duration, year => 0, month => 0, week => 1, day => 2, hour => -3, minute => 4, second => "
     "5, microsecond => {6, 6}}",
     "timedelta(9, -3 * 3600 + 4 * 60 + 5, 6)"},
    {"#{__struct__ => Elixir.Duration, year => 0, month => 0, week => 0, day => -999999999, hour => 0, minute => 0, "
     "second => 0, microsecond => {0, 0}}",
     "timedelta.min"},
    {"#{__struct__ => Elixir.Duration, year => 0, month => 0, week => 0, day => 0, hour => 0, minute => 0, second => "
     "-1, microsecond => {-5, 6}}",
     "-timedelta(0, 1, 5)"},
    {"#{__struct__ => Elixir.Complex, re => 1.5, im => -0.0}", "complex(1.5, -0.0)"},
    {"#{__struct__ => Elixir.Complex, re => 1, im => infinity}", "complex(1, math.inf)"},
    {"#{__struct__ => Elixir.Regex, source => 'a', opts => '', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "__import__('re').compile(r'a', 256)"},
    {"#{__struct__ => Elixir.Regex, source => 'a', opts => 'iumsx', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "__import__('re').compile(r'a', 122)"},
    {"#{__struct__ => Elixir.Regex, source => 'a', opts => [caseless, unicode, ucp, dotall, {newline, anycrlf}], "
     "re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "__import__('re').compile(r'a', 50)"},
    {"#{__struct__ => Elixir.Regex, source => '(?<n>a)(?<=b)(?<!c)\\k<n>', opts => 'u', re_pattern => {re_pattern, 0, "
     "0, 0, '\xff'}}",
     "__import__('re').compile(r'(?P<n>a)(?<=b)(?<!c)(?P=n)', 32)"},
    {"#{__struct__ => Elixir.Regex, source => 'a\\z|b\\Z', opts => '', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "__import__('re').compile(r'a\\Z|b(?=\\n?\\Z)', 256)"},
    {"#{__struct__ => Elixir.Regex, source => '[[]\\e[]a]', opts => '', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "__import__('re').compile(r'[\\[]\\x1b[]a]', 256)"},
    {"#{__struct__ => Elixir.Regex, source => '\\x{263a}', opts => 'u', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "__import__('re').compile(r'\\U0000263a', 32)"},
    {"#{__struct__ => Elixir.Decimal, sign => 1, coef => 12345, exp => -2}", "Decimal('123.45')"},
    {"#{__struct__ => Elixir.Decimal, sign => -1, coef => 0, exp => -2}", "Decimal('-0.00')"},
    {"#{__struct__ => Elixir.Decimal, sign => 1, coef => 5, exp => 3}", "Decimal('5E+3')"},
    {"#{__struct__ => Elixir.Decimal, sign => 1, coef => inf, exp => 0}", "Decimal('Infinity')"},
    {"#{__struct__ => Elixir.Decimal, sign => -1, coef => inf, exp => 0}", "Decimal('-Infinity')"},
    {"#{__struct__ => Elixir.Decimal, sign => 1, coef => NaN, exp => 0}", "Decimal('NaN')"},
    {"#{__struct__ => Elixir.My.Thing, name => 'x'}",
     "{Atom('__struct__'): Atom('Elixir.My.Thing'), Atom('name'): 'x'}"},
    {"#{__struct__ => nil}", "{Atom('__struct__'): None}"},
    {"#{__struct__ => 'Elixir.MapSet'}", "{Atom('__struct__'): 'Elixir.MapSet'}"},
    {"#{'__struct__' => Elixir.MapSet}", "{'__struct__': Atom('Elixir.MapSet')}"},
    {"#{a => {1, [2, #{b => c}]}, __struct__ => Elixir.Range, first => 1, last => 2, step => 1}", "range(1, 3)"},
};

/* The zone's offset at that time decides which of two equal wall-clock times is meant. */
#define MOMENT(zone, utc, std)                                                                                         \
    "#{__struct__ => Elixir.DateTime, calendar => Elixir.Calendar.ISO, year => 2024, month => 10, day => 27,"          \
    "  hour => 2, minute => 30, second => 0, microsecond => {5, 6}, time_zone => " zone ", zone_abbr => 'X',"          \
    "  utc_offset => " utc ", std_offset => " std "}"

static const struct structure moments[] = {
    {MOMENT("'Etc/UTC'", "0", "0"), "datetime.datetime(2024, 10, 27, 2, 30, 0, 5, timezone.utc)"},
    {MOMENT("'UTC+02:00'", "7200", "0"), "datetime.datetime(2024, 10, 27, 2, 30, 0, 5, timezone(timedelta(hours=2)))"},
    {MOMENT("'Europe/Berlin'", "3600", "3600"),
     "datetime.datetime(2024, 10, 27, 2, 30, 0, 5, ZoneInfo('Europe/Berlin'))"},
    {MOMENT("'Europe/Berlin'", "3600", "0"),
     "datetime.datetime(2024, 10, 27, 2, 30, 0, 5, ZoneInfo('Europe/Berlin'), fold=1)"},
};

static void expect_structure(const struct structure *structure)
{
    struct message message = {0};
    message_begin(&message);
    terms_put(&message, structure->term);
    expect(message.bytes + 5, message.length - 5, false, structure->expression);
    message_free(&message);
}

START_TEST(decodes_structs)
{
    expect_structure(&structures[_i]);
}
END_TEST

START_TEST(decodes_moments)
{
    PyObject *known = python_eval("'Europe/Berlin' in zoneinfo.available_timezones()");
    if (_i < 2 || known == Py_True)
        expect_structure(&moments[_i]);
    Py_DECREF(known);
}
END_TEST

static const struct structure bad_structures[] = {
    {"#{__struct__ => Elixir.PythonxPort.Bytes, data => 1}",
     "value: %PythonxPort.Bytes{} that Python cannot hold: data is a binary"},
    {"#{__struct__ => Elixir.PythonxPort.Bytes}", "value: %PythonxPort.Bytes{} that Python cannot hold"},
    {"#{__struct__ => Elixir.MapSet, map => 1}", "value: %MapSet{} that Python cannot hold"},
    {"#{__struct__ => Elixir.MapSet}", "value: %MapSet{} that Python cannot hold"},
    {"#{__struct__ => Elixir.MapSet, map => #{[1] => []}}", "a map key that Python cannot hash"},
    {"#{__struct__ => Elixir.MapSet, map => #{1 => [], 1.0 => []}}", "equal to an earlier one"},
    {"[#{__struct__ => Elixir.Date, calendar => Elixir.Calendar.ISO, year => 0, month => 1, day => 1}]",
     "value[0]: %Date{} that Python cannot hold: year"},
    {"#{__struct__ => Elixir.Date, calendar => Elixir.Other, year => 1, month => 1, day => 1}",
     "the calendar Elixir.Other is not Calendar.ISO"},
    {"#{__struct__ => Elixir.Date, year => 1, month => 1, day => 1}", "%Date{} that Python cannot hold"},
    {"#{__struct__ => Elixir.Time, calendar => Elixir.Calendar.ISO, hour => 24, minute => 0, second => 0,"
     "  microsecond => {0, 0}}",
     "%Time{} that Python cannot hold"},
    {"#{__struct__ => Elixir.Range, first => 1, last => 2, step => 0}", "%Range{} that Python cannot hold"},
    {"#{__struct__ => Elixir.Range, first => 1.5, last => 2, step => 1}", "%Range{} that Python cannot hold"},
    {"#{__struct__ => Elixir.Duration, year => 1, month => 0, week => 0, day => 0, hour => 0, minute => 0, second => "
     "0, microsecond => {0, 0}}",
     "years and months have no fixed length"},
    {"#{__struct__ => Elixir.Duration, year => 0, month => -1, week => 0, day => 0, hour => 0, minute => 0, second => "
     "0, microsecond => {0, 0}}",
     "years and months have no fixed length"},
    {"#{__struct__ => Elixir.Duration, year => 0, month => 0, week => 0, day => 1000000000, hour => 0, minute => 0, "
     "second => 0, microsecond => {0, 0}}",
     "%Duration{} that Python cannot hold: days=1000000000"},
    {"#{__struct__ => Elixir.Complex, re => 1}", "%Complex{} that Python cannot hold"},
    {"#{__struct__ => Elixir.Complex, re => 1, im => 'x'}", "%Complex{} that Python cannot hold"},
    {"#{__struct__ => Elixir.Regex, source => '[[:alpha:]]', opts => '', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "value: %Regex{} that Python cannot hold: the class at '[:alpha:]]' has no counterpart"},
    {"#{__struct__ => Elixir.Regex, source => 'a{,3}', opts => '', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "'{,3}' in a regular expression has no counterpart"},
    {"#{__struct__ => Elixir.Regex, source => 'a', opts => 'U', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "Python's re has no option U"},
    {"#{__struct__ => Elixir.Regex, source => 'a', opts => 'f', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "Python's re has no option f"},
    {"#{__struct__ => Elixir.Regex, source => 'a', opts => [ungreedy], re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "has no option ungreedy"},
    {"#{__struct__ => Elixir.Regex, source => '\xc3\xa9', opts => '', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "a source that is not ASCII needs the option u"},
    {"#{__struct__ => Elixir.Regex, source => '\\R', opts => '', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "bad escape"},
    {"#{__struct__ => Elixir.Regex, source => '(?R)', opts => '', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "unknown extension"},
    {"#{__struct__ => Elixir.Regex, source => '\\p{L}', opts => 'u', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "bad escape"},
    {"#{__struct__ => Elixir.Regex, source => '\\u0061', opts => '', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "has no counterpart"},
    {"#{__struct__ => Elixir.Regex, source => '\\x{110000}', opts => 'u', re_pattern => {re_pattern, 0, 0, 0, '\xff'}}",
     "there is no character 0x110000"},
    {"#{__struct__ => Elixir.Decimal, sign => 1, coef => x, exp => 0}", "%Decimal{} that Python cannot hold"},
    {MOMENT("'Mars/Base'", "0", "0"), "this machine's zoneinfo has no time zone 'Mars/Base'"},
    {MOMENT("'../../etc/passwd'", "0", "0"), "%DateTime{} that Python cannot hold"},
    {MOMENT("''", "0", "0"), "%DateTime{} that Python cannot hold"},
};

START_TEST(refuses_structs)
{
    struct message message = {0};
    message_begin(&message);
    terms_put(&message, bad_structures[_i].term);
    expect_failure(message.bytes + 5, message.length - 5, false, bad_structures[_i].expression);
    message_free(&message);
}
END_TEST

/* -- what only passes through ------------------------------------------------------------------------------------- */

#define NODE                                                                                                           \
    "\x77\x03"                                                                                                         \
    "a@b"

static const struct opaque {
    const char *bytes;
    size_t length;
    const char *type, *shown;
} opaques[] = {
    {BYTES("\x58" NODE "\0\0\0\1\0\0\0\2\0\0\0\3"), "Pid", "<erlang.Pid a@b.1.2>"},
    {BYTES("\x67" NODE "\0\0\0\1\0\0\0\2\3"), "Pid", "<erlang.Pid a@b.1.2>"},
    {BYTES("\x78" NODE "\0\0\0\0\0\0\0\1\0\0\0\2"), "Port", "<erlang.Port of 18 bytes>"},
    {BYTES("\x59" NODE "\0\0\0\1\0\0\0\2"), "Port", "<erlang.Port of 14 bytes>"},
    {BYTES("\x66" NODE "\0\0\0\1\2"), "Port", "<erlang.Port of 11 bytes>"},
    {BYTES("\x5a\0\2" NODE "\0\0\0\1\0\0\0\1\0\0\0\2"), "Reference", "<erlang.Reference a@b.2.1>"},
    {BYTES("\x72\0\1" NODE "\1\0\0\0\1"), "Reference", "<erlang.Reference a@b.1>"},
    {BYTES("\x65" NODE "\0\0\0\1\2"), "Reference", "<erlang.Reference a@b.1>"},
    {BYTES("\x70\0\0\0\x36\1"
           "0123456789abcdef\0\0\0\1\0\0\0\0\x77\1m\x61\1\x61\2\x58" NODE "\0\0\0\1\0\0\0\2\0\0\0\3"),
     "Fun", "<erlang.Fun of 55 bytes>"},
    {BYTES("\x71\x77\3lib\x77\1"
           "f\x61\2"),
     "Fun", "<erlang.Fun of 11 bytes>"},
    {BYTES("\x4d\0\0\0\2\3\xff\xe0"), "Bitstring", "<erlang.Bitstring of 11 bits>"},
    {BYTES("\x4d\0\0\0\1\x08z"), "Bitstring", "<erlang.Bitstring of 8 bits>"},
};

START_TEST(keeps_opaque_terms)
{
    const struct opaque *opaque = &opaques[_i];
    PyObject *object = decode(opaque->bytes, opaque->length, false, NULL);
    ck_assert_ptr_nonnull(object);
    PyObject *term = types_opaque_term(object);
    ck_assert_ptr_nonnull(term);
    ck_assert_int_eq(PyBytes_Size(term), (Py_ssize_t)opaque->length);
    ck_assert_mem_eq(PyBytes_AsString(term), opaque->bytes, opaque->length);
    python_set("opaque", object);
    python_set("again", decode(opaque->bytes, opaque->length, false, NULL));
    char test[256];
    snprintf(test, sizeof test,
             "assert type(opaque) is erlang.%s and repr(opaque) == '%s', repr(opaque)\n"
             "assert opaque is not again and opaque == again and len({opaque, again}) == 1\n"
             "assert opaque != 1",
             opaque->type, opaque->shown);
    python_exec(test);
    Py_DECREF(object);
}
END_TEST

/* A node's name may be as long as an atom. */
START_TEST(shows_terms_of_long_nodes)
{
    struct message message = {0};
    size_t length = (size_t)_i;
    char *node = malloc(length);
    memset(node, 'n', length);
    message_begin(&message);
    message_put_raw(&message, "\x58\x76", 2);
    message_put_raw(&message, (const char[]){(char)(length >> 8), (char)length}, 2);
    message_put_raw(&message, node, length);
    message_put_raw(&message, "\0\0\0\1\0\0\0\2\0\0\0\3", 12);
    if (length > 255) {
        expect_failure(message.bytes + 5, message.length - 5, false, "malformed term");
    } else {
        PyObject *object = decode(message.bytes + 5, message.length - 5, false, NULL);
        ck_assert_ptr_nonnull(object);
        PyObject *shown = PyObject_Repr(object);
        ck_assert_ptr_nonnull(shown);
        Py_DECREF(shown);
        Py_DECREF(object);
    }
    free(node);
    message_free(&message);
}
END_TEST

/* -- references --------------------------------------------------------------------------------------------------- */

START_TEST(resolves_references)
{
    PyObject *kept = python_eval("kept = [1, object()]\nkept");
    unsigned long long number = refs_keep(kept);
    ck_assert_uint_gt(number, 0);
    struct message message = {0};
    message_begin(&message);
    terms_put(&message, "[{$ref, %d}, #{__struct__ => Elixir.PythonxPort.Object, ref => %d, type => 'list'}]",
              (long long)number, (long long)number);
    expect(message.bytes + 5, message.length - 5, false, "[kept, kept]");
    message_free(&message);
    Py_DECREF(kept);
}
END_TEST

/* Only the atom and an integer make a reference. */
START_TEST(leaves_other_tuples_alone)
{
    expect(BYTES("\x68\x02\x6d\0\0\0\4$ref\x61\x01"), false, "('$ref', 1)");
    expect(BYTES("\x68\x02\x77\4$ref\x77\1x"), false, "(Atom('$ref'), Atom('x'))");
    expect(BYTES("\x68\x03\x77\4$ref\x61\1\x61\1"), false, "(Atom('$ref'), 1, 1)");
    expect(BYTES("\x68\x02\x77\4$ref\x77\4true"), false, "(Atom('$ref'), True)");
}
END_TEST

/* -- memory ------------------------------------------------------------------------------------------------------- */

static void drop(PyObject *object)
{
    PyErr_Clear();
    Py_XDECREF(object);
}

static void decode_and_drop(const struct structure *structure)
{
    struct message message = {0};
    message_begin(&message);
    terms_put(&message, structure->term);
    drop(decode(message.bytes + 5, message.length - 5, false, NULL));
    message_free(&message);
}

static void decode_all(void)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        drop(decode(plain[i].bytes, plain[i].length, false, NULL));
        drop(decode(plain[i].bytes, plain[i].length - 1, false, NULL));
    }
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        drop(decode(failures[i].bytes, failures[i].length, false, NULL));
    for (size_t i = 0; i < sizeof opaques / sizeof *opaques; i++)
        drop(decode(opaques[i].bytes, opaques[i].length, false, NULL));
    for (size_t i = 0; i < sizeof structures / sizeof *structures; i++)
        decode_and_drop(&structures[i]);
    /* zoneinfo itself keeps a little for each name that it does not find. */
    for (size_t i = 0; i < sizeof bad_structures / sizeof *bad_structures; i++)
        if (strstr(bad_structures[i].term, "DateTime") == NULL)
            decode_and_drop(&bad_structures[i]);
}

/* Caches may still grow a little; a lost reference would be one block more in each round. */
START_TEST(keeps_no_references)
{
    enum { ROUNDS = 600, NOISE = 500 };
    for (int i = 0; i < 50; i++)
        decode_all();
    Py_ssize_t before = python_blocks();
    for (int i = 0; i < ROUNDS; i++)
        decode_all();
    Py_ssize_t after = python_blocks();
    ck_assert_msg(after - before < NOISE, "%zd blocks more", after - before);
}
END_TEST

Suite *decode_suite(void)
{
    Suite *suite = suite_create("decode");
    TCase *tcase = tcase_create("terms");
    tcase_add_unchecked_fixture(tcase, python_fixture_start, NULL);
    tcase_add_loop_test(tcase, decodes, 0, (int)(sizeof plain / sizeof *plain));
    tcase_add_loop_test(tcase, refuses_what_is_cut, 0, (int)(sizeof plain / sizeof *plain));
    tcase_add_loop_test(tcase, decodes_binaries_as_bytes, 0, (int)(sizeof as_bytes / sizeof *as_bytes));
    tcase_add_loop_test(tcase, fails_with_the_place, 0, (int)(sizeof failures / sizeof *failures));
    tcase_add_loop_test(tcase, notes_the_byte, 0, (int)(sizeof places / sizeof *places));
    tcase_add_test(tcase, reads_an_old_float_to_its_end);
    tcase_add_test(tcase, shortens_long_paths);
    tcase_add_test(tcase, keeps_texts_apart);
    tcase_add_loop_test(tcase, takes_terms_of_some_depth, 0, 3);
    tcase_add_loop_test(tcase, refuses_terms_nested_too_deeply, 0, 3);
    tcase_add_test(tcase, survives_deep_keys);
    tcase_add_loop_test(tcase, decodes_structs, 0, (int)(sizeof structures / sizeof *structures));
    tcase_add_loop_test(tcase, decodes_moments, 0, (int)(sizeof moments / sizeof *moments));
    tcase_add_loop_test(tcase, refuses_structs, 0, (int)(sizeof bad_structures / sizeof *bad_structures));
    tcase_add_loop_test(tcase, keeps_opaque_terms, 0, (int)(sizeof opaques / sizeof *opaques));
    tcase_add_loop_test(tcase, shows_terms_of_long_nodes, 254, 258);
    tcase_add_loop_test(tcase, shows_terms_of_long_nodes, 1019, 1025);
    tcase_add_loop_test(tcase, shows_terms_of_long_nodes, 65535, 65536);
    tcase_add_test(tcase, resolves_references);
    tcase_add_test(tcase, leaves_other_tuples_alone);
    tcase_add_test(tcase, keeps_no_references);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
