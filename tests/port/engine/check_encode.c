/* Tests objects to terms, by a table of Python expressions and of the bytes that they become. */
#include <check.h>
#include <stdio.h>

#include "bytes.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "codec/refs.h"
#include "python_fixture.h"
#include "suites.h"
#include "terms.h"
#include "wire/frame.h"
#include "wire/message.h"

/* The position of the first term in a message. */
#define BODY (FRAME_HEADER + 1)

static int encode(struct message *message, const char *expression)
{
    PyObject *object = python_eval(expression);
    message_begin(message);
    int failed = encode_object(message, object, "result");
    Py_DECREF(object);
    return failed;
}

static void expect(const char *expression, const void *bytes, size_t length)
{
    struct message message = {0};
    int failed = encode(&message, expression);
    if (failed)
        PyErr_Print();
    ck_assert_msg(!failed, "no term for %s", expression);
    ck_assert_int_eq(message_finish(&message), MESSAGE_OK);
    char *shown = terms_show(span_of(message.bytes + BODY, message.length - BODY));
    ck_assert_msg(message.length - BODY == length && memcmp(message.bytes + BODY, bytes, length) == 0, "%s: got %s",
                  expression, shown);
    free(shown);
    message_free(&message);
}

static void expect_term(const char *expression, const char *term)
{
    struct message expected = {0};
    message_begin(&expected);
    terms_put(&expected, term);
    expect(expression, expected.bytes + BODY, expected.length - BODY);
    message_free(&expected);
}

static void expect_failure(const char *expression, const char *message_part)
{
    struct message message = {0};
    ck_assert_msg(encode(&message, expression) < 0, "a term for %s", expression);
    char *error = python_take_error();
    ck_assert_msg(strstr(error, message_part) != NULL, "expected '%s' in '%s'", message_part, error);
    free(error);
    message_free(&message);
}

/* -- plain objects ------------------------------------------------------------------------------------------------ */

static const struct plain {
    const char *expression, *bytes;
    size_t length;
} plain[] = {
    {"0", BYTES("\x61\x00")},
    {"255", BYTES("\x61\xff")},
    {"256", BYTES("\x62\x00\x00\x01\x00")},
    {"-1", BYTES("\x62\xff\xff\xff\xff")},
    {"2**31", BYTES("\x6e\x04\x00\x00\x00\x00\x80")},
    {"-2**31", BYTES("\x62\x80\x00\x00\x00")},
    {"-2**31 - 1", BYTES("\x6e\x04\x01\x01\x00\x00\x80")},
    {"2**63 - 1", BYTES("\x6e\x08\x00\xff\xff\xff\xff\xff\xff\xff\x7f")},
    {"2**63", BYTES("\x6e\x08\x00\x00\x00\x00\x00\x00\x00\x00\x80")},
    {"-2**63", BYTES("\x6e\x08\x01\x00\x00\x00\x00\x00\x00\x00\x80")},
    {"-2**63 - 1", BYTES("\x6e\x08\x01\x01\x00\x00\x00\x00\x00\x00\x80")},
    {"2**64", BYTES("\x6e\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01")},
    {"1.5", BYTES("\x46\x3f\xf8\x00\x00\x00\x00\x00\x00")},
    {"-0.0", BYTES("\x46\x80\x00\x00\x00\x00\x00\x00\x00")},
    {"math.nan", BYTES("\x77\x03nan")},
    {"math.inf", BYTES("\x77\x08infinity")},
    {"-math.inf", BYTES("\x77\x0cneg_infinity")},
    {"None", BYTES("\x77\x03nil")},
    {"True", BYTES("\x77\x04true")},
    {"False", BYTES("\x77\x05"
                    "false")},
    {"Atom('ok')", BYTES("\x77\x02ok")},
    {"Atom('')", BYTES("\x77\x00")},
    {"Atom('\u00e4')", BYTES("\x77\x02\xc3\xa4")},
    {"Atom('nil')", BYTES("\x77\x03nil")},
    {"'ok'", BYTES("\x6d\x00\x00\x00\x02ok")},
    {"''", BYTES("\x6d\x00\x00\x00\x00")},
    {"'\U0001F40D'", BYTES("\x6d\x00\x00\x00\x04\xf0\x9f\x90\x8d")},
    {"b'\\xff\\0'", BYTES("\x6d\x00\x00\x00\x02\xff\x00")},
    {"bytearray(b'ab')", BYTES("\x6d\x00\x00\x00\x02"
                               "ab")},
    {"memoryview(b'abcd')[::2]", BYTES("\x6d\x00\x00\x00\x02"
                                       "ac")},
    {"[]", BYTES("\x6a")},
    {"[1, [2]]", BYTES("\x6c\x00\x00\x00\x02\x61\x01\x6c\x00\x00\x00\x01\x61\x02\x6a\x6a")},
    {"()", BYTES("\x68\x00")},
    {"(1, ())", BYTES("\x68\x02\x61\x01\x68\x00")},
    {"{}", BYTES("\x74\x00\x00\x00\x00")},
    {"{'a': 1, Atom('b'): None}", BYTES("\x74\0\0\0\2\x6d\0\0\0\1"
                                        "a\x61\1\x77\1"
                                        "b\x77\3nil")},
    {"{(1, 2): b''}", BYTES("\x74\0\0\0\1\x68\2\x61\1\x61\2\x6d\0\0\0\0")},
};

START_TEST(encodes)
{
    expect(plain[_i].expression, plain[_i].bytes, plain[_i].length);
}
END_TEST

START_TEST(encodes_large_forms)
{
    struct message message = {0};
    ck_assert_int_eq(encode(&message, "(0,) * 256"), 0);
    ck_assert_mem_eq(message.bytes + BODY, "\x69\0\0\1\0\x61\0", 7);
    ck_assert_int_eq(encode(&message, "256**254"), 0);
    ck_assert_mem_eq(message.bytes + BODY, "\x6e\xff\0\0", 4);
    ck_assert_int_eq(encode(&message, "-256**255"), 0);
    ck_assert_mem_eq(message.bytes + BODY, "\x6f\0\0\1\0\1\0", 7);
    ck_assert_uint_eq(message.length - BODY, 6 + 256);
    ck_assert_int_eq(encode(&message, "Atom('\u00e4' * 255)"), 0);
    ck_assert_mem_eq(message.bytes + BODY, "\x76\x01\xfe\xc3\xa4", 5);
    message_free(&message);
}
END_TEST

/* -- objects with a form of their own ----------------------------------------------------------------------------- */

static const char classes[] = "import typing\n"
                              "@dataclass\n"
                              "class Point:\n"
                              "    x: int\n"
                              "    y: object = 'y'\n"
                              "    kind: typing.ClassVar[int] = 5\n"
                              "    start: dataclasses.InitVar[int] = 0\n"
                              "@dataclass(frozen=True)\n"
                              "class Frozen:\n"
                              "    x: int\n"
                              "@dataclass\n"
                              "class Rows(list):\n"
                              "    name: str\n"
                              "Pair = collections.namedtuple('Pair', 'first second')\n"
                              "class Color(enum.Enum):\n"
                              "    RED = 1\n"
                              "    NAMED = 'name'\n"
                              "    PAIR = (1, 'x')\n"
                              "class Number(enum.IntEnum):\n"
                              "    SEVEN = 7\n"
                              "class Word(enum.StrEnum):\n"
                              "    HELLO = 'hello'\n"
                              "class Flags(enum.Flag):\n"
                              "    A = 1\n"
                              "    B = 2\n"
                              "import re\n"
                              "class MyComplex(complex): pass\n"
                              "class MyInt(int): pass\n"
                              "class MyFloat(float): pass\n"
                              "class MyStr(str): pass\n"
                              "class MyBytes(bytes): pass\n"
                              "class MyList(list): pass\n"
                              "class MyTuple(tuple): pass\n"
                              "class MyDict(dict): pass\n"
                              "class MySet(set): pass\n"
                              "class Path:\n"
                              "    def __fspath__(self): return '/a/path'\n"
                              "class Plain: pass\n"
                              "class Special: pass\n"
                              "class Deep: pass\n"
                              "class DeepChild(Deep): pass\n"
                              "class Same: pass\n"
                              "class Listed:\n"
                              "    def __iter__(self): return iter((1, 2))\n"
                              "class Worded:\n"
                              "    def __str__(self): return 'worded'\n"
                              "erlang.register_encoder(Special, lambda special: (Atom('special'), [1]))\n"
                              "erlang.register_encoder(Deep, lambda deep: {'deep': type(deep).__name__})\n"
                              "erlang.register_encoder(Same, lambda same: same)\n"
                              "erlang.register_encoder(Listed, list)\n"
                              "erlang.register_encoder(Worded, str)\n"
                              "erlang.register_encoder(collections.deque, tuple)\n";

static const struct form {
    const char *expression, *term;
} forms[] = {
    {"Point(1)", "#{'x' => 1, 'y' => 'y'}"},
    {"Point(Point(1, 2), [Point(3)])", "#{'x' => #{'x' => 1, 'y' => 2}, 'y' => [#{'x' => 3, 'y' => 'y'}]}"},
    {"{Frozen(1): 2}", "#{#{'x' => 1} => 2}"},
    {"Pair(1, 'x')", "{1, 'x'}"},
    {"Color.RED", "1"},
    {"[Color.NAMED, Color.PAIR]", "['name', {1, 'x'}]"},
    {"{Color.RED: Color.RED}", "#{1 => 1}"},
    {"Number.SEVEN", "7"},
    {"Word.HELLO", "'hello'"},
    {"Flags.A | Flags.B", "3"},
    {"MyInt(5)", "5"},
    {"MyInt(1000000000000)", "1000000000000"},
    {"MyFloat(1.5)", "1.5"},
    {"MyFloat('nan')", "nan"},
    {"MyStr('x')", "'x'"},
    {"MyBytes(b'x')", "'x'"},
    {"MyList([1])", "[1]"},
    {"MyTuple((1,))", "{1}"},
    {"MyDict(a=1)", "#{'a' => 1}"},
    {"{MyStr('a'): 1}", "#{'a' => 1}"},
    {"collections.OrderedDict(b=1, a=2)", "#{'b' => 1, 'a' => 2}"},
    {"collections.Counter('aa')", "#{'a' => 2}"},
    {"collections.defaultdict(list, a=[])", "#{'a' => []}"},
    {"{1}", "#{__struct__ => Elixir.MapSet, map => #{1 => []}}"},
    {"frozenset()", "#{__struct__ => Elixir.MapSet, map => #{}}"},
    {"MySet({1})", "#{__struct__ => Elixir.MapSet, map => #{1 => []}}"},
    {"{frozenset({1}): 2}", "#{#{__struct__ => Elixir.MapSet, map => #{1 => []}} => 2}"},
    {"date(2024, 2, 29)",
     "#{__struct__ => Elixir.Date, calendar => Elixir.Calendar.ISO, year => 2024, month => 2, day => 29}"},
    {"time(1, 2, 3)",
     "#{__struct__ => Elixir.Time, calendar => Elixir.Calendar.ISO, hour => 1, minute => 2, second => 3,"
     "  microsecond => {0, 0}}"},
    {"time(1, 2, 3, 4)", "#{__struct__ => Elixir.Time, calendar => Elixir.Calendar.ISO, hour => 1, minute => 2,"
                         "  second => 3, microsecond => {4, 6}}"},
    {"datetime.datetime(2024, 2, 29, 1, 2, 3)",
     "#{__struct__ => Elixir.NaiveDateTime, calendar => Elixir.Calendar.ISO, year => 2024, month => 2, day => 29,"
     "  hour => 1, minute => 2, second => 3, microsecond => {0, 0}}"},
    {"datetime.datetime(2024, 2, 29, 1, 2, 3, 4, timezone.utc)",
     "#{__struct__ => Elixir.DateTime, calendar => Elixir.Calendar.ISO, year => 2024, month => 2, day => 29,"
     "  hour => 1, minute => 2, second => 3, microsecond => {4, 6}, time_zone => 'Etc/UTC', zone_abbr => 'UTC',"
     "  utc_offset => 0, std_offset => 0}"},
    {"datetime.datetime(2024, 2, 29, 1, 2, 3, 4, timezone(timedelta(hours=-2)))",
     "#{__struct__ => Elixir.DateTime, calendar => Elixir.Calendar.ISO, year => 2024, month => 2, day => 29,"
     "  hour => 1, minute => 2, second => 3, microsecond => {4, 6}, time_zone => 'UTC-02:00',"
     "  zone_abbr => 'UTC-02:00', utc_offset => -7200, std_offset => 0}"},
    {"Decimal('-123.45')", "#{__struct__ => Elixir.Decimal, sign => -1, coef => 12345, exp => -2}"},
    {"Decimal('5E+3')", "#{__struct__ => Elixir.Decimal, sign => 1, coef => 5, exp => 3}"},
    {"Decimal('-0.00')", "#{__struct__ => Elixir.Decimal, sign => -1, coef => 0, exp => -2}"},
    {"Decimal('-Infinity')", "#{__struct__ => Elixir.Decimal, sign => -1, coef => inf, exp => 0}"},
    {"Decimal('NaN')", "#{__struct__ => Elixir.Decimal, sign => 1, coef => NaN, exp => 0}"},
    {"range(1, 11, 3)", "#{__struct__ => Elixir.Range, first => 1, last => 10, step => 3}"},
    {"range(3)", "#{__struct__ => Elixir.Range, first => 0, last => 2, step => 1}"},
    {"range(3, 0, -1)", "#{__struct__ => Elixir.Range, first => 3, last => 1, step => -1}"},
    {"timedelta(0)", "#{__struct__ => Elixir.Duration, year => 0, month => 0, week => 0, day => 0, hour => 0,"
                     "  minute => 0, second => 0, microsecond => {0, 0}}"},
    {"timedelta(8, 3723, 4)", "#{__struct__ => Elixir.Duration, year => 0, month => 0, week => 0, day => 8, hour => 1,"
                              "  minute => 2, second => 3, microsecond => {4, 6}}"},
    {"-timedelta(8, 3723, 4)",
     "#{__struct__ => Elixir.Duration, year => 0, month => 0, week => 0, day => -8, hour => -1,"
     "  minute => -2, second => -3, microsecond => {-4, 6}}"},
    {"timedelta(microseconds=-1)",
     "#{__struct__ => Elixir.Duration, year => 0, month => 0, week => 0, day => 0, hour => 0,"
     "  minute => 0, second => 0, microsecond => {-1, 6}}"},
    {"timedelta.min", "#{__struct__ => Elixir.Duration, year => 0, month => 0, week => 0, day => -999999999, hour => 0,"
                      "  minute => 0, second => 0, microsecond => {0, 0}}"},
    {"timedelta.max", "#{__struct__ => Elixir.Duration, year => 0, month => 0, week => 0, day => 999999999, hour => 23,"
                      "  minute => 59, second => 59, microsecond => {999999, 6}}"},
    {"1.5 - 2j", "#{__struct__ => Elixir.Complex, re => 1.5, im => -2.0}"},
    {"complex('nan-infj')", "#{__struct__ => Elixir.Complex, re => nan, im => neg_infinity}"},
    {"{MyComplex(1)}", "#{__struct__ => Elixir.MapSet, map => #{#{__struct__ => Elixir.Complex, re => 1.0,"
                       "  im => 0.0} => []}}"},
    {"ZoneInfo('Europe/Berlin')", "'Europe/Berlin'"},
    {"re.compile('a')", "#{'source' => 'a', 'opts' => 'u'}"},
    {"re.compile(b'a', re.I | re.S | re.M | re.X)", "#{'source' => 'a', 'opts' => 'ismx'}"},
    {"re.compile('a', re.A)", "#{'source' => 'a', 'opts' => ''}"},
    {"re.compile(r'(?P<n>[x[])\\Z|(?P=n)\\v\\u263a{,2}')",
     "#{'source' => '(?P<n>[x\\[])\\z|(?P=n)\\x0b\\x{263a}{0,2}', 'opts' => 'u'}"},
    {"re.compile(r'[]\\Z(?a)]'.replace('Z', 'd'))", "#{'source' => '[]\\d(?a)]', 'opts' => 'u'}"},
    {"uuid.UUID(int=1)", "'00000000-0000-0000-0000-000000000001'"},
    {"pathlib.PurePosixPath('/a/b')", "'/a/b'"},
    {"Path()", "'/a/path'"},
    {"Special()", "{special, [1]}"},
    {"[DeepChild(), Deep()]", "[#{'deep' => 'DeepChild'}, #{'deep' => 'Deep'}]"},
    {"Listed()", "[1, 2]"},
    {"Worded()", "'worded'"},
    {"collections.deque([1])", "{1}"},
    {"{Atom('a'): 1, 'a': 2}", "#{a => 2}"},
};

START_TEST(encodes_forms)
{
    python_exec(classes);
    expect_term(forms[_i].expression, forms[_i].term);
}
END_TEST

static const struct form moments[] = {
    {"datetime.datetime(2024, 7, 1, 12, tzinfo=ZoneInfo('Europe/Berlin'))",
     "#{__struct__ => Elixir.DateTime, calendar => Elixir.Calendar.ISO, year => 2024, month => 7, day => 1,"
     "  hour => 12, minute => 0, second => 0, microsecond => {0, 0}, time_zone => 'Europe/Berlin',"
     "  zone_abbr => 'CEST', utc_offset => 3600, std_offset => 3600}"},
    {"datetime.datetime(2024, 7, 1, 12, tzinfo=ZoneInfo('UTC'))",
     "#{__struct__ => Elixir.DateTime, calendar => Elixir.Calendar.ISO, year => 2024, month => 7, day => 1,"
     "  hour => 12, minute => 0, second => 0, microsecond => {0, 0}, time_zone => 'Etc/UTC',"
     "  zone_abbr => 'UTC', utc_offset => 0, std_offset => 0}"},
};

START_TEST(encodes_moments)
{
    PyObject *known = python_eval("{'Europe/Berlin', 'UTC'} <= zoneinfo.available_timezones()");
    if (known == Py_True)
        expect_term(moments[_i].expression, moments[_i].term);
    Py_DECREF(known);
}
END_TEST

static const struct form numpy_scalars[] = {
    {"numpy.int64(-5)", "-5"},
    {"numpy.uint8(5)", "5"},
    {"numpy.float32(1.5)", "1.5"},
    {"numpy.float64(1.5)", "1.5"},
    {"numpy.float64('nan')", "nan"},
    {"numpy.bool_(True)", "true"},
    {"numpy.str_('x')", "'x'"},
    {"numpy.bytes_(b'x')", "'x'"},
    {"[numpy.int16(1)]", "[1]"},
    {"{numpy.int32(1): 2}", "#{1 => 2}"},
    {"numpy.datetime64('2024-02-29')",
     "#{__struct__ => Elixir.Date, calendar => Elixir.Calendar.ISO, year => 2024, month => 2, day => 29}"},
};

START_TEST(encodes_numpy_scalars)
{
    if (!python_has_module("numpy"))
        return;
    python_exec("import numpy");
    expect_term(numpy_scalars[_i].expression, numpy_scalars[_i].term);
}
END_TEST

/* -- failures ----------------------------------------------------------------------------------------------------- */

static const char odd_classes[] = "class Grown:\n"
                                  "    pass\n"
                                  "grown = {}\n"
                                  "grown.update({'a': Grown(), 'b': 1})\n"
                                  "shrunk = []\n"
                                  "shrunk.extend([Grown(), 1, 2])\n"
                                  "def grow(_):\n"
                                  "    grown['more'] = 1\n"
                                  "    shrunk.clear()\n"
                                  "    return None\n"
                                  "erlang.register_encoder(Grown, grow)\n"
                                  "swapped = {'a': Grown(), 'b': 1}\n"
                                  "class Raising:\n"
                                  "    pass\n"
                                  "def fail(_): raise KeyError('no such key')\n"
                                  "erlang.register_encoder(Raising, fail)\n"
                                  "class Endless:\n"
                                  "    pass\n"
                                  "erlang.register_encoder(Endless, lambda endless: [Endless()])\n"
                                  "loop = []\n"
                                  "loop.append(loop)\n"
                                  "ring = {}\n"
                                  "ring['ring'] = (ring,)\n"
                                  "@dataclass\n"
                                  "class Partial:\n"
                                  "    x: int\n"
                                  "partial = Partial(1)\n"
                                  "del partial.x\n"
                                  "released = memoryview(b'x')\n"
                                  "released.release()\n"
                                  "deep = []\n"
                                  "for _ in range(20000): deep = [deep]\n";

static const struct form failures[] = {
    {"object()", "EncodeError: result: builtins.object has no Erlang term (the option return, set to ref, keeps it in"},
    {"{'rows': [1, 2, {3: object()}]}", "EncodeError: result[\"rows\"][2][3]: builtins.object has no Erlang term"},
    {"(1, [object()])", "result[1][0]: builtins.object has no Erlang term"},
    {"{(1, object()): 1}", "result[key][1]: builtins.object has no Erlang term"},
    {"{object()}", "result[\"map\"][key]: builtins.object has no Erlang term"},
    {"Point(object())", "result[\"x\"]: builtins.object has no Erlang term"},
    {"[Plain()]", "result[0]: __main__.Plain has no Erlang term"},
    {"Plain", "result: builtins.type has no Erlang term"},
    {"len", "has no Erlang term"},
    {"math", "result: builtins.module has no Erlang term"},
    {"(x for x in ())", "result: builtins.generator has no Erlang term"},
    {"iter([])", "result: builtins.list_iterator has no Erlang term"},
    {"import re\nre.compile('\u00e9', re.A)", "a pattern with the flag ASCII and other characters"},
    {"import re\nre.compile('\\\\u00e9', re.A)", "a pattern with the flag ASCII and other characters"},
    {"import re\nre.compile(b'\\xe9')", "a pattern of bytes that are not ASCII"},
    {"import re\nre.compile(b'a', re.L)", "flag LOCALE"},
    {"import re\nre.compile('(?a:b)')", "'(?a' in a regular expression has no counterpart"},
    {"import re\nre.compile(r'\\N{BULLET}')", "has no counterpart"},
    {"Same()", "result: __main__.Same has no Erlang term"},
    {"Ellipsis", "result: builtins.ellipsis has no Erlang term"},
    {"['\\ud800']", "result[0]: a str with lone surrogates is no UTF-8 (send its bytes)"},
    {"{'\\ud800': 1}", "result[key]: a str with lone surrogates"},
    {"Atom('\\ud800')", "result: a str with lone surrogates"},
    {"Atom('x' * 256)", "result: an atom of more than 255 characters"},
    {"{'a': 1, b'a': 2}", "result: two keys that are the same Erlang term"},
    {"[{1: 0, 2: {Atom('nil'): 1, None: 2}}]", "result[0][2]: two keys that are the same Erlang term"},
    {"{Atom('true'): 1, True: 2}", "result: two keys that are the same Erlang term"},
    {"{math.nan: 1, float('nan'): 2}", "result: two keys that are the same Erlang term"},
    {"{'a', b'a'}", "result[\"map\"]: two keys that are the same Erlang term"},
    {"{Color.RED: 1, 1: 2}", "result: two keys that are the same Erlang term"},
    {"{math.inf: 1, Atom('infinity'): 2}", "result: two keys that are the same Erlang term"},
    {"{'x' * 70000: 1, b'x' * 70000: 2}", "result: two keys that are the same Erlang term"},
    {"time(1, tzinfo=timezone.utc)", "result: a time with a time zone has no form in Elixir"},
    {"datetime.datetime(2024, 1, 1, tzinfo=timezone(timedelta(microseconds=1)))", "has no form in Elixir"},
    {"Decimal('sNaN')", "result: a signaling NaN, or one with a payload, has no form in Elixir"},
    {"Decimal('NaN5')", "result: a signaling NaN, or one with a payload, has no form in Elixir"},
    {"grown", "result: the dict changed while it was encoded"},
    {"shrunk", "result: the list changed while it was encoded"},
    {"[Raising()]", "KeyError: 'no such key'"},
    {"partial", "AttributeError"},
    {"released", "ValueError"},
    {"loop", "nested too deeply, or without end"},
    {"ring", "nested too deeply, or without end"},
    {"Endless()", "nested too deeply, or without end"},
    {"deep", "nested too deeply, or without end"},
};

START_TEST(fails_with_the_place)
{
    python_exec(classes);
    python_exec(odd_classes);
    expect_failure(failures[_i].expression, failures[_i].term);
}
END_TEST

START_TEST(encodes_objects_of_some_depth)
{
    static const char *const steps[] = {"[deep]", "(deep,)", "{1: deep}", "{'x': [deep]}", "MyList([deep])"};
    char code[160];
    struct message message = {0};
    python_exec(classes);
    snprintf(code, sizeof code, "deep = 0\nfor _ in range(4000): deep = %s\ndeep", steps[_i]);
    ck_assert_int_eq(encode(&message, code), 0);
    ck_assert_int_eq(message_finish(&message), MESSAGE_OK);
    message_free(&message);
}
END_TEST

/* -- large binaries ----------------------------------------------------------------------------------------------- */

/* Pinned bytes are not in the buffer; their object lives as long as they are needed. */
START_TEST(pins_large_binaries)
{
    struct message message = {0};
    PyObject *large = python_eval("large = [b'b' * 100000, 's' * 100000, bytearray(100000)]\nlarge");
    message_begin(&message);
    ck_assert_int_eq(encode_object(&message, large, "result"), 0);
    ck_assert_int_eq(message_finish(&message), MESSAGE_OK);
    ck_assert_uint_eq(message.pin_count, 3);
    ck_assert_uint_lt(message.length, 1000);
    python_exec("large.clear()\nlarge = None");
    Py_DECREF(large);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(message.pins[i].length, 100000);
        ck_assert_int_eq(((const char *)message.pins[i].bytes)[99999], "bs\0"[i]);
    }
    message_free(&message);
}
END_TEST

START_TEST(distinguishes_large_keys)
{
    struct message message = {0};
    ck_assert_int_eq(encode(&message, "{b'x' * 70000: 1, b'y' * 70000: 2}"), 0);
    ck_assert_int_eq(encode(&message, "{(b'x' * 70000,): 1, (b'y' * 70000,): 2, 3: 4}"), 0);
    message_free(&message);
}
END_TEST

/* Pins of a term that failed half-way are released. */
START_TEST(releases_pins_after_a_failure)
{
    struct message message = {0};
    python_exec("large = b'b' * 100000\nbefore = sys.getrefcount(large)");
    ck_assert_int_lt(encode(&message, "[large, large, object()]"), 0);
    PyErr_Clear();
    message_begin(&message);
    python_exec("assert sys.getrefcount(large) == before");
    message_free(&message);
}
END_TEST

/* -- references, encoders ----------------------------------------------------------------------------------------- */

/* `shown` is the text after the number. */
static void expect_reference(const char *expression, const char *shown)
{
    struct message message = {0};
    char expected[300];
    PyObject *object = python_eval(expression);
    unsigned long long number = refs_keep(object);
    ck_assert_uint_gt(number, 0);
    message_begin(&message);
    ck_assert_int_eq(encode_reference(&message, number, object), 0);
    snprintf(expected, sizeof expected, "#{__struct__=>Elixir.PythonxPort.Object,ref=>%llu,%s}", number, shown);
    char *got = terms_show(span_of(message.bytes + BODY, message.length - BODY));
    ck_assert_str_eq(got, expected);
    free(got);
    Py_DECREF(object);
    message_free(&message);
}

START_TEST(encodes_references)
{
    expect_reference("[1, 2]", "type=>'list',repr=>'[1, 2]'");
    expect_reference("Decimal(5)", "type=>'decimal.Decimal',repr=>'Decimal('5')'");
}
END_TEST

START_TEST(encodes_references_to_odd_objects)
{
    python_exec("class Odd:\n"
                "    def __init__(self, shown): self.shown = shown\n"
                "    def __repr__(self): return self.shown()\n");
    expect_reference("Odd(lambda: 1/0)", "type=>'__main__.Odd',repr=>'<repr failed>'");
    expect_reference("Odd(lambda: '\\ud800')", "type=>'__main__.Odd',repr=>'\\ud800'");
    struct message message = {0};
    PyObject *object = python_eval("Odd(lambda: 'x' * 100000)");
    message_begin(&message);
    ck_assert_int_eq(encode_reference(&message, 3, object), 0);
    ck_assert_uint_lt(message.length, 1000);
    Py_DECREF(object);
    message_free(&message);
}
END_TEST

START_TEST(refuses_encoders)
{
    static const char *const calls[] = {"(1, str)",          "(Plain, 1)", "(int, str)",   "(Atom, str)",
                                        "(type(None), str)", "(Plain,)",   "(range, list)"};
    char code[200];
    python_exec(classes);
    snprintf(code, sizeof code,
             "try:\n"
             "    erlang.register_encoder(*%s)\n"
             "    raised = False\n"
             "except TypeError:\n"
             "    raised = True\n"
             "assert raised",
             calls[_i]);
    python_exec(code);
}
END_TEST

/* An encoder that is registered after the first object was encoded counts from then on. */
START_TEST(takes_encoders_at_any_time)
{
    python_exec(classes);
    expect_failure("Plain()", "has no Erlang term");
    python_exec("erlang.register_encoder(Plain, lambda plain: 'first')");
    expect_term("Plain()", "'first'");
    python_exec("erlang.register_encoder(Plain, lambda plain: 'second')");
    expect_term("Plain()", "'second'");
    python_exec("erlang.register_encoder(Point, lambda point: (point.x, point.y))");
    expect_term("Point(1, 2)", "{1, 2}");
}
END_TEST

/* -- what only passes through ------------------------------------------------------------------------------------- */

#define NODE                                                                                                           \
    "\x77\x03"                                                                                                         \
    "a@b"

static const struct opaque {
    const char *bytes;
    size_t length;
} opaques[] = {
    {BYTES("\x58" NODE "\0\0\0\1\0\0\0\2\0\0\0\3")},
    {BYTES("\x67\x64\0\3"
           "a@b\0\0\0\1\0\0\0\2\3")},
    {BYTES("\x78" NODE "\0\0\0\0\0\0\0\1\0\0\0\2")},
    {BYTES("\x66" NODE "\0\0\0\1\2")},
    {BYTES("\x5a\0\2" NODE "\0\0\0\1\0\0\0\1\0\0\0\2")},
    {BYTES("\x72\0\1" NODE "\1\0\0\0\1")},
    {BYTES("\x65" NODE "\0\0\0\1\2")},
    {BYTES("\x70\0\0\0\x36\1"
           "0123456789abcdef\0\0\0\1\0\0\0\0\x77\1m\x61\1\x61\2\x58" NODE "\0\0\0\1\0\0\0\2\0\0\0\3")},
    {BYTES("\x71\x77\3lib\x77\1"
           "f\x61\2")},
    {BYTES("\x4d\0\0\0\2\3\xff\xe0")},
};

START_TEST(sends_opaque_terms_back_verbatim)
{
    struct decoder decoder = decoder_of(span_of(opaques[_i].bytes, opaques[_i].length), false);
    PyObject *object = decode_term(&decoder, "value");
    ck_assert_ptr_nonnull(object);
    python_set("opaque", object);
    Py_DECREF(object);
    expect("opaque", opaques[_i].bytes, opaques[_i].length);
    struct message message = {0};
    ck_assert_int_eq(encode(&message, "{opaque: [opaque]}"), 0);
    ck_assert_uint_eq(message.length - BODY, 5 + opaques[_i].length + 5 + opaques[_i].length + 1);
    message_free(&message);
}
END_TEST

/* -- memory ------------------------------------------------------------------------------------------------------- */

/* Failures that are quick, and fail each time. */
static bool is_steady(const struct form *failure)
{
    return strstr(failure->term, "nested too deeply") == NULL && strstr(failure->term, "changed while") == NULL;
}

static void append(PyObject *list, const char *expression)
{
    PyObject *object = python_eval(expression);
    ck_assert_int_eq(PyList_Append(list, object), 0);
    Py_DECREF(object);
}

static PyObject *steady_objects(void)
{
    PyObject *objects = PyList_New(0);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        append(objects, plain[i].expression);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        append(objects, forms[i].expression);
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (is_steady(&failures[i]))
            append(objects, failures[i].expression);
    return objects;
}

static void encode_each(PyObject *objects)
{
    struct message message = {0};
    for (Py_ssize_t i = 0; i < PyList_Size(objects); i++) {
        message_begin(&message);
        if (encode_object(&message, PyList_GetItem(objects, i), "result") < 0)
            PyErr_Clear();
    }
    message_free(&message);
}

/* Caches may still grow a little; a lost reference would be one block more in each round. */
START_TEST(keeps_no_references)
{
    enum { ROUNDS = 600, NOISE = 500 };
    python_exec(classes);
    python_exec(odd_classes);
    PyObject *objects = steady_objects();
    for (int i = 0; i < 50; i++)
        encode_each(objects);
    Py_ssize_t before = python_blocks();
    for (int i = 0; i < ROUNDS; i++)
        encode_each(objects);
    Py_ssize_t after = python_blocks();
    ck_assert_msg(after - before < NOISE, "%zd blocks more", after - before);
    Py_DECREF(objects);
}
END_TEST

Suite *encode_suite(void)
{
    Suite *suite = suite_create("encode");
    TCase *tcase = tcase_create("objects");
    tcase_add_unchecked_fixture(tcase, python_fixture_start, NULL);
    tcase_add_loop_test(tcase, encodes, 0, (int)(sizeof plain / sizeof *plain));
    tcase_add_test(tcase, encodes_large_forms);
    tcase_add_loop_test(tcase, encodes_forms, 0, (int)(sizeof forms / sizeof *forms));
    tcase_add_loop_test(tcase, encodes_moments, 0, (int)(sizeof moments / sizeof *moments));
    tcase_add_loop_test(tcase, encodes_numpy_scalars, 0, (int)(sizeof numpy_scalars / sizeof *numpy_scalars));
    tcase_add_loop_test(tcase, fails_with_the_place, 0, (int)(sizeof failures / sizeof *failures));
    tcase_add_loop_test(tcase, encodes_objects_of_some_depth, 0, 5);
    tcase_add_test(tcase, pins_large_binaries);
    tcase_add_test(tcase, distinguishes_large_keys);
    tcase_add_test(tcase, releases_pins_after_a_failure);
    tcase_add_test(tcase, encodes_references);
    tcase_add_test(tcase, encodes_references_to_odd_objects);
    tcase_add_loop_test(tcase, refuses_encoders, 0, 7);
    tcase_add_test(tcase, takes_encoders_at_any_time);
    tcase_add_loop_test(tcase, sends_opaque_terms_back_verbatim, 0, (int)(sizeof opaques / sizeof *opaques));
    tcase_add_test(tcase, keeps_no_references);
    tcase_set_timeout(tcase, 20);
    suite_add_tcase(suite, tcase);
    return suite;
}
