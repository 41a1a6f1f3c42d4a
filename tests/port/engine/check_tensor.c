/* Tests tensors to arrays and back, with NumPy's C API and without it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "os/memfd.h"
#include "python_fixture.h"
#include "shm/segment.h"
#include "suites.h"
#include "terms.h"
#include "wire/frame.h"
#include "wire/message.h"
#include "wire/request.h"

/* The position of the first term in a message. */
#define BODY (FRAME_HEADER + 1)
/* From this size on arrays lie in the frame. */
#define LARGE ((size_t)64 * 1024)
/* The alignment of malloc. */
#define ALIGNED 16

static const char prelude[] = "import numpy as np\n"
                              "def is_array(a, expected):\n"
                              "    assert type(a) is np.ndarray, type(a)\n"
                              "    assert a.dtype == expected.dtype and a.dtype.isnative, (a.dtype, expected.dtype)\n"
                              "    assert a.shape == expected.shape, (a.shape, expected.shape)\n"
                              "    assert a.flags.writeable and a.flags.c_contiguous, a.flags\n"
                              "    assert a.tobytes() == expected.tobytes(), (a, expected)\n"
                              "    a[...] = 0\n"
                              "    assert not a.any()\n"
                              "def plain(a):\n"
                              "    a = np.asarray(a)\n"
                              "    a = a.astype(a.dtype.newbyteorder('='), order='C')\n"
                              "    return a.view('u1') if a.dtype == bool else a\n"
                              "class Arrayed:\n"
                              "    def __init__(self, array): self.array = array\n"
                              "    def __array__(self, dtype=None, copy=None): return self.array\n"
                              "class Lent:\n"
                              "    def __init__(self, array): self.array = array\n"
                              "    def __dlpack__(self, **options): return self.array.__dlpack__(**options)\n"
                              "    def __dlpack_device__(self): return self.array.__dlpack_device__()\n"
                              "class Elsewhere:\n"
                              "    def __dlpack_device__(self): return (2, 0)\n"
                              "    def __dlpack__(self, **options): raise BufferError('not on the CPU')\n"
                              "class Broken:\n"
                              "    def __array__(self, dtype=None, copy=None): raise RuntimeError('gone')\n"
                              "class NoArray:\n"
                              "    def __array__(self, dtype=None, copy=None): return 5\n"
                              "class Named(np.ndarray): pass\n";

static bool has_numpy, has_ml_dtypes;

static void start(void)
{
    python_fixture_start();
    has_numpy = python_has_numpy("check_tensor");
    if (has_numpy)
        python_exec(prelude);
    has_ml_dtypes = has_numpy && python_has_module("ml_dtypes");
}

/* The tests that make arrays run twice: the second time without the C API. */
static void choose_way(int turn)
{
    if (turn % 2 == 1)
        python_without_numpy_api();
}

/* -- requests ----------------------------------------------------------------------------------------------------- */

/* A request whose frame is a term, `offset` bytes behind an address that suits numbers. */
static struct request request_of(const void *term, size_t length, size_t offset)
{
    unsigned char *allocation = malloc(offset + length);
    ck_assert_ptr_nonnull(allocation);
    if (length > 0)
        memcpy(allocation + offset, term, length);
    return (struct request){.frame = {allocation + offset, length, allocation}};
}

static PyObject *decode_request(struct request *request)
{
    struct decoder decoder = decoder_of(span_of(request->frame.bytes, request->frame.length), false);
    decoder.request = request;
    return decode_term(&decoder, "value");
}

static void end_request(struct request *request)
{
    Py_XDECREF((PyObject *)request->keeper);
    request_free(request);
}

/* Returns the object of a term, after its request has ended. */
static PyObject *decode_at(const void *term, size_t length, size_t offset)
{
    struct request request = request_of(term, length, offset);
    PyObject *object = decode_request(&request);
    end_request(&request);
    return object;
}

static PyObject *decode_alone(const void *term, size_t length)
{
    unsigned char *copy = bytes_copy(term, length);
    struct decoder decoder = decoder_of(span_of(copy, length), false);
    PyObject *object = decode_term(&decoder, "value");
    free(copy);
    return object;
}

static PyObject *decode_text(const char *term)
{
    struct message message = {0};
    message_begin(&message);
    terms_put(&message, term);
    PyObject *object = decode_at(message.bytes + BODY, message.length - BODY, 0);
    message_free(&message);
    return object;
}

/* Takes the reference over. */
static void expect_array(PyObject *array, const char *expression)
{
    char code[1000];
    if (array == NULL)
        PyErr_Print();
    ck_assert_msg(array != NULL, "no array, where %s was expected", expression);
    python_set("got", array);
    Py_DECREF(array);
    snprintf(code, sizeof code, "is_array(got, %s)\ndel got", expression);
    python_exec(code);
}

static void expect_error(const PyObject *object, const char *what, const char *part)
{
    ck_assert_msg(object == NULL, "%s: an object, where an error was expected", what);
    char *error = python_take_error();
    ck_assert_msg(strstr(error, part) != NULL, "%s: expected '%s' in '%s'", what, part, error);
    free(error);
}

/* -- from Elixir -------------------------------------------------------------------------------------------------- */

static const struct form {
    const char *kind;
    long long bits;
    const char *shape, *expression;
} forms[] = {
    {"u", 8, "{3}", "np.array([0, 1, 255], 'u1')"},
    {"u", 16, "{2}", "np.array([0, 65535], 'u2')"},
    {"u", 32, "{2}", "np.array([0, 2**32 - 1], 'u4')"},
    {"u", 64, "{2}", "np.array([0, 2**64 - 1], 'u8')"},
    {"s", 8, "{3}", "np.array([-128, 0, 127], 'i1')"},
    {"s", 16, "{2}", "np.array([-2**15, 2**15 - 1], 'i2')"},
    {"s", 32, "{2}", "np.array([-2**31, 2**31 - 1], 'i4')"},
    {"s", 64, "{2}", "np.array([-2**63, 2**63 - 1], 'i8')"},
    {"f", 16, "{3}", "np.array([0.5, -np.inf, 65504], 'f2')"},
    {"f", 32, "{2, 2}", "np.array([[1.5, -2.5], [np.inf, np.nan]], 'f4')"},
    {"f", 64, "{2, 2}", "np.array([[1.5, -2.5], [np.inf, 5e-324]])"},
    {"c", 64, "{2}", "np.array([1 + 2j, -3.5j], 'c8')"},
    {"c", 128, "{2}", "np.array([1 + 2j, -3.5j])"},
    {"s", 32, "{}", "np.array(7, 'i4')"},
    {"f", 64, "{0}", "np.array([])"},
    {"u", 8, "{2, 0, 3}", "np.zeros((2, 0, 3), 'u1')"},
    {"u", 8, "{1, 2, 3}", "np.arange(6, dtype='u1').reshape(1, 2, 3)"},
    {"u", 8, "{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}",
     "np.array([5], 'u1').reshape(32 * (1,))"},
};

/* Returns the term of a form; its data is NumPy's. */
static void put_form(struct message *message, const struct form *form, const char *format)
{
    char code[256];
    struct message shape_term = {0};
    message_begin(&shape_term);
    terms_put(&shape_term, form->shape);
    snprintf(code, sizeof code, "(%s).tobytes()", form->expression);
    PyObject *data = python_eval(code);
    message_begin(message);
    terms_put(message, format, form->kind, form->bits, span_of(shape_term.bytes + BODY, shape_term.length - BODY),
              PyBytes_AsString(data), (size_t)PyBytes_Size(data));
    Py_DECREF(data);
    message_free(&shape_term);
}

static const char *const writings[] = {
    "#{__struct__ => Elixir.PythonxPort.Tensor, type => {%a, %d}, shape => %t, data => %b}",
    "#{type => {%a, %d}, shape => %t, data => %b, __struct__ => Elixir.PythonxPort.Tensor}",
    "#{__struct__ => Elixir.Nx.Tensor, vectorized_axes => [], names => [nil, nil], type => {%a, %d}, shape => %t,"
    "  data => #{__struct__ => Elixir.Nx.BinaryBackend, state => %b}}",
    "#{__struct__ => Elixir.Nx.Tensor, type => {%a, %d}, shape => %t, data => #{state => %b, more => {1, []}}}",
};
#define WRITINGS (sizeof writings / sizeof *writings)
#define FORMS (sizeof forms / sizeof *forms)

START_TEST(decodes_every_type)
{
    if (!has_numpy)
        return;
    choose_way(_i);
    for (size_t i = 0; i < FORMS; i++) {
        for (size_t j = 0; j < WRITINGS; j++) {
            struct message message = {0};
            put_form(&message, &forms[i], writings[j]);
            expect_array(decode_alone(message.bytes + BODY, message.length - BODY), forms[i].expression);
            expect_array(decode_at(message.bytes + BODY, message.length - BODY, j), forms[i].expression);
            message_free(&message);
        }
    }
}
END_TEST

/* Numbers as C has them. */
START_TEST(decodes_native_numbers)
{
    if (!has_numpy)
        return;
    static const float numbers[] = {1.5f, -2.25f, 1e10f};
    struct message message = {0};
    message_begin(&message);
    terms_put(&message, "#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 32}, shape => {3}, data => %b}",
              (const void *)numbers, sizeof numbers);
    expect_array(decode_alone(message.bytes + BODY, message.length - BODY), "np.array([1.5, -2.25, 1e10], 'f4')");
    message_free(&message);
}
END_TEST

/* The axes stand before or behind the shape; their names may be any term. */
START_TEST(puts_vectorized_axes_first)
{
    if (!has_numpy)
        return;
    expect_array(decode_text("#{__struct__ => Elixir.Nx.Tensor, type => {u, 8}, shape => {2},"
                             "  vectorized_axes => [{x, 3}, {{y, 1}, 1}], names => [nil],"
                             "  data => #{__struct__ => Elixir.Nx.BinaryBackend, state => 'abcdef'}}"),
                 "np.frombuffer(b'abcdef', 'u1').reshape(3, 1, 2)");
    expect_array(decode_text("#{__struct__ => Elixir.Nx.Tensor, vectorized_axes => [{x, 2}], shape => {},"
                             "  type => {u, 8}, names => [], data => #{state => 'ab'}}"),
                 "np.frombuffer(b'ab', 'u1')");
    for (long axes = 63; axes <= 65; axes++) {
        struct message message = {0};
        message_begin(&message);
        message_put_map(&message, 5);
        terms_put(&message, "__struct__");
        terms_put(&message, "Elixir.Nx.Tensor");
        terms_put(&message, "vectorized_axes");
        message_put_list(&message, (uint32_t)axes);
        for (long axis = 0; axis < axes; axis++)
            terms_put(&message, "{x, 1}");
        message_put_nil_list(&message);
        terms_put(&message, "type");
        terms_put(&message, "{u, 8}");
        terms_put(&message, "shape");
        terms_put(&message, "{1, 1}");
        terms_put(&message, "data");
        terms_put(&message, "#{state => 'a'}");
        expect_error(decode_alone(message.bytes + BODY, message.length - BODY), "many axes",
                     "shape has more dimensions than NumPy");
        message_free(&message);
    }
}
END_TEST

START_TEST(decodes_inside_of_other_terms)
{
    if (!has_numpy)
        return;
    PyObject *object = decode_text("#{a => [#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {2},"
                                   "  data => 'ab'}, {1, #{data => 'ab', shape => {1, 2}, type => {s, 8},"
                                   "  __struct__ => Elixir.PythonxPort.Tensor}}, 'end'], b => 2}");
    ck_assert_ptr_nonnull(object);
    python_set("got", object);
    Py_DECREF(object);
    python_exec("first, (one, second), end = got['a']\n"
                "assert (one, end, got['b']) == (1, 'end', 2)\n"
                "is_array(first, np.frombuffer(b'ab', 'u1'))\n"
                "is_array(second, np.frombuffer(b'ab', 'i1').reshape(1, 2))");
}
END_TEST

static const struct {
    const char *type, *data, *shown, *array;
} of_ml_dtypes[] = {
    {"bf, 16", "\x80\x3f\x40\xc0", "{:bf, 16}", "np.array([1, -3], ml_dtypes.bfloat16)"},
    {"f, 8", "\x3c\xc2", "{:f, 8}", "np.array([1, -3], ml_dtypes.float8_e5m2)"},
    {"f8_e4m3fn, 8", "\x38\xc4", "{:f8_e4m3fn, 8}", "np.array([1, -3], ml_dtypes.float8_e4m3fn)"},
};
#define OF_ML_DTYPES (int)(sizeof of_ml_dtypes / sizeof *of_ml_dtypes)

START_TEST(decodes_types_of_ml_dtypes)
{
    if (!has_numpy)
        return;
    char term[256], part[128];
    const char *type = of_ml_dtypes[_i / 2].type;
    snprintf(term, sizeof term, "#{__struct__ => Elixir.PythonxPort.Tensor, type => {%s}, shape => {2}, data => '%s'}",
             type, of_ml_dtypes[_i / 2].data);
    choose_way(_i);
    if (has_ml_dtypes) {
        python_exec("import ml_dtypes");
        expect_array(decode_text(term), of_ml_dtypes[_i / 2].array);
        return;
    }
    snprintf(part, sizeof part, "value: tensors of type %s need the package ml_dtypes", of_ml_dtypes[_i / 2].shown);
    expect_error(decode_text(term), term, part);
}
END_TEST

static const struct {
    const char *term, *part;
} bad_fields[] = {
    {"#{__struct__ => Elixir.PythonxPort.Tensor}", "DecodeError: value: a tensor has the fields type, shape and data"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {}}", "has the fields type, shape and data"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, data => 'a'}", "has the fields type, shape and data"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, shape => {}, data => 'a'}", "has the fields type, shape and data"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => f32, shape => {1}, data => 'abcd'}",
     "type is a tuple such as"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {f}, shape => {1}, data => 'abcd'}",
     "type is a tuple such as"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 32, 1}, shape => {1}, data => 'abcd'}", "type is a tuple"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {'f', 32}, shape => {1}, data => 'abcd'}", "type is a tuple"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, x}, shape => {1}, data => 'abcd'}",
     "type is a tuple such"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 0}, shape => {1}, data => 'abcd'}",
     "type is a tuple such"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, -8}, shape => {1}, data => 'abcd'}",
     "type is a tuple such"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 1e3}, shape => {1}, data => 'abcd'}",
     "type is a tuple such"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 99999999999}, shape => {1}, data => 'abcd'}", "type is a"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {{}, []}, shape => {1}, data => 'abcd'}",
     "type is a tuple such"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {abcdefghijklmnop, 8}, shape => {1}, data => 'a'}",
     "type is a tuple"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 4}, shape => {1}, data => 'a'}", "no type for {:f, 4}"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 128}, shape => {0}, data => ''}", "no type for {:f, 128}"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 1}, shape => {8}, data => 'a'}", "no type for {:u, 1}"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {s, 12}, shape => {2}, data => 'abc'}",
     "no type for {:s, 12}"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {bf, 32}, shape => {1}, data => 'abcd'}",
     "no type for {:bf, 32}"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {c, 32}, shape => {1}, data => 'abcd'}",
     "no type for {:c, 32}"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {i, 32}, shape => {1}, data => 'abcd'}",
     "no type for {:i, 32}"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {abcdefg, 8}, shape => {1}, data => 'a'}",
     "no type for {:abcdefg"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => 1, data => 'a'}",
     "shape is a tuple of sizes"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => [1], data => 'a'}",
     "shape is a tuple of sizes"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {-1}, data => 'a'}",
     "shape is a tuple of sizes"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {1.0}, data => 'a'}",
     "shape is a tuple of sizes"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {x}, data => 'a'}",
     "shape is a tuple of sizes"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {1, {1}}, data => 'a'}",
     "shape is a tuple of"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "
     "1, 1,"
     " 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "
     "1,"
     " 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, data => 'a'}",
     "more dimensions than NumPy"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 32}, shape => {2, 2}, data => 'abcd'}",
     "data has 4 bytes, type and shape need 16"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 32}, shape => {1}, data => 'abcde'}",
     "type and shape need 4"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {}, data => ''}", "type and shape need 1"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {3, 0}, data => 'abc'}",
     "type and shape need 0"},
    /* products that overflow: to a huge number, to 0, to what is there, and beyond what an address can be */
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {9223372036854775807, 9223372036854775807},"
     "  data => 'a'}",
     "shape is too large for any memory"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {4294967296, 4294967296}, data => ''}",
     "shape is too large for any memory"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 32}, shape => {4611686018427387905}, data => 'abcd'}",
     "shape is too large for any memory"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 64}, shape => {1152921504606846976}, data => ''}",
     "shape is too large for any memory"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {0, 4294967296, 4294967296}, data => ''}",
     "shape is too large for any memory"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {1}, data => 5}", "data is a binary"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {1}, data => [97]}", "data is a binary"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {1}, data => {1, 2}}", "data is a binary"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {1}, data => {$segment, 7, 0, 1}}",
     "value: segment 7 is not lent"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {1}, data => {$segment, 7, 0}}",
     "data is a binary"},
    {"#{__struct__ => Elixir.Nx.Tensor, type => {u, 8}, shape => {1}, data => #{__struct__ => Elixir.EXLA.Backend,"
     "  buffer => 5}}",
     "use Nx.backend_transfer(tensor, Nx.BinaryBackend)"},
    {"#{__struct__ => Elixir.Nx.Tensor, type => {u, 8}, shape => {1}, data => #{}}", "use Nx.backend_transfer"},
    {"#{__struct__ => Elixir.Nx.Tensor, type => {u, 8}, shape => {1}, data => #{state => 5}}", "data is a binary"},
    {"#{__struct__ => Elixir.Nx.Tensor, type => {u, 8}, shape => {1}, data => #{state => #{state => 'a'}}}",
     "data is a"},
    {"#{__struct__ => Elixir.Nx.Tensor, type => {u, 8}, shape => {1}, data => #{{a} => 1, state => 'a'}}",
     "malformed term"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, {a} => 1, type => {u, 8}, shape => {1}, data => 'a'}",
     "malformed term"},
    {"#{__struct__ => Elixir.PythonxPort.Tensor, 'type' => 1, type => {u, 8}, shape => {1}, data => 'a'}",
     "malformed term"},
    {"#{__struct__ => Elixir.Nx.Tensor, names => [nil, row], type => {u, 8}, shape => {1, 1}, data => #{state => 'a'}}",
     "the tensor has names, which an array cannot keep: drop them with Nx.rename(tensor, nil)"},
    {"#{__struct__ => Elixir.Nx.Tensor, names => {}, type => {u, 8}, shape => {1}, data => #{state => 'a'}}",
     "names is a list of atoms"},
    {"#{__struct__ => Elixir.Nx.Tensor, vectorized_axes => [{x, 2}], type => {u, 8}, shape => {1},"
     "  data => #{state => 'a'}}",
     "data has 1 bytes, type and shape need 2"},
    {"#{__struct__ => Elixir.Nx.Tensor, vectorized_axes => [x], type => {u, 8}, shape => {1}, data => #{state => 'a'}}",
     "vectorized_axes is a list of names and sizes"},
    {"#{__struct__ => Elixir.Nx.Tensor, vectorized_axes => [{x, -1}], type => {u, 8}, shape => {1},"
     "  data => #{state => 'a'}}",
     "vectorized_axes is a list of names and sizes"},
    {"#{__struct__ => Elixir.Nx.Tensor, vectorized_axes => x, type => {u, 8}, shape => {1}, data => #{state => 'a'}}",
     "vectorized_axes is a list of names and sizes"},
    {"[1, #{__struct__ => Elixir.PythonxPort.Tensor}]", "DecodeError: value[1]: a tensor has the fields"},
    {"#{a => #{__struct__ => Elixir.Nx.Tensor, type => {u, 8}, shape => {1}, data => ''}}",
     "value[\"a\"]: data has 0 bytes, type and shape need 1"},
};
#define BAD_FIELDS (sizeof bad_fields / sizeof *bad_fields)

START_TEST(refuses_bad_fields)
{
    if (!has_numpy)
        return;
    choose_way(_i);
    for (size_t i = 0; i < BAD_FIELDS; i++)
        expect_error(decode_text(bad_fields[i].term), bad_fields[i].term, bad_fields[i].part);
}
END_TEST

/* `f` and a NUL is not `f`, and what is not UTF-8 is nothing. */
START_TEST(refuses_odd_kinds)
{
    if (!has_numpy)
        return;
    static const char *const kinds[] = {"\x77\2f\0", "\x77\2\xff\xff", "\x73\1\xe4", "\x77\0"};
    static const size_t lengths[] = {4, 4, 3, 2};
    for (size_t i = 0; i < 4; i++) {
        struct message message = {0};
        message_begin(&message);
        terms_put(&message,
                  "#{__struct__ => Elixir.PythonxPort.Tensor, type => {%t, 32}, shape => {1}, data => 'abcd'}",
                  span_of(kinds[i], lengths[i]));
        expect_error(decode_alone(message.bytes + BODY, message.length - BODY), kinds[i], "DecodeError: value: ");
        message_free(&message);
    }
}
END_TEST

START_TEST(survives_nested_backends)
{
    enum { DEPTH = 1000000 };
    struct message message = {0};
    message_begin(&message);
    message_put_map(&message, 2);
    terms_put(&message, "__struct__");
    terms_put(&message, "Elixir.Nx.Tensor");
    terms_put(&message, "data");
    for (int i = 0; i < DEPTH; i++) {
        message_put_map(&message, 1);
        message_put_atom_text(&message, "state");
    }
    message_put_binary(&message, "a", 1);
    expect_error(decode_alone(message.bytes + BODY, message.length - BODY), "nested", "data is a binary");
    message_free(&message);
}
END_TEST

/* Without NumPy, too. */
START_TEST(refuses_what_is_cut)
{
    struct message message = {0};
    message_begin(&message);
    terms_put(&message, "#{type => {f, 32}, __struct__ => Elixir.Nx.Tensor, shape => {1, 1}, names => [a, {b}],"
                        "  data => #{__struct__ => Elixir.Nx.BinaryBackend, state => 'abcd'}}");
    for (size_t length = 0; length < message.length - BODY; length++) {
        expect_error(decode_alone(message.bytes + BODY, length), "cut", "DecodeError: value");
        expect_error(decode_at(message.bytes + BODY, length, 3), "cut", "DecodeError: value");
    }
    message_free(&message);
}
END_TEST

START_TEST(says_that_numpy_is_missing)
{
    python_exec("hidden = sys.modules.pop('numpy', None)\n"
                "sys.modules['numpy'] = None");
    expect_error(decode_text("#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {1}, data => 'a'}"),
                 "tensor", "value: tensors need NumPy in this Python, and it cannot be imported");
}
END_TEST

/* -- large ones, which lie in the frame --------------------------------------------------------------------------- */

/* `format` takes the data. */
static void put_large(struct message *message, const char *format, size_t length, unsigned seed)
{
    unsigned char *data = malloc(length);
    for (size_t i = 0; i < length; i++)
        data[i] = (unsigned char)(i * 31 + i / 256 + seed);
    message_begin(message);
    terms_put(message, format, (const void *)data, length);
    free(data);
}

#define EXPECTED_LARGE "((np.arange(65536) * 31 + np.arange(65536) // 256 + 5) % 256).astype('u1')"

static const char *const large_writings[] = {
    "#{__struct__ => Elixir.PythonxPort.Tensor, type => {f, 64}, shape => {2, 4096}, data => %b}",
    "#{data => %b, __struct__ => Elixir.PythonxPort.Tensor, type => {f, 64}, shape => {2, 4096}}",
    "#{data => #{state => %b, __struct__ => Elixir.Nx.BinaryBackend}, type => {f, 64}, shape => {2, 4096},"
    "  __struct__ => Elixir.Nx.Tensor}",
};

/* Works wherever in memory the frame begins, and after the request has ended. */
START_TEST(uses_the_frame)
{
    if (!has_numpy)
        return;
    choose_way(_i);
    for (size_t writing = 0; writing < 3; writing++) {
        struct message message = {0};
        put_large(&message, large_writings[writing], LARGE, 5);
        for (size_t offset = 0; offset < ALIGNED; offset++) {
            struct request request = request_of(message.bytes + BODY, message.length - BODY, offset);
            const unsigned char *bytes = request.frame.bytes;
            PyObject *array = decode_request(&request);
            ck_assert_ptr_nonnull(array);
            ck_assert_ptr_nonnull(request.keeper);
            ck_assert_ptr_null(request.frame.allocation);
            end_request(&request);
            python_set("got", array);
            python_set("address", PyLong_FromVoidPtr((void *)(uintptr_t)bytes));
            python_exec(
                "assert 0 <= got.ctypes.data - address < 200 and got.ctypes.data % 16 == 0 and got.flags.aligned");
            expect_array(array, EXPECTED_LARGE ".view('f8').reshape(2, 4096)");
        }
        message_free(&message);
    }
}
END_TEST

/* A smaller array does not keep the frame alive. */
START_TEST(copies_what_is_smaller)
{
    if (!has_numpy)
        return;
    struct message message = {0};
    put_large(&message, "#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {65535}, data => %b}",
              LARGE - 1, 5);
    struct request request = request_of(message.bytes + BODY, message.length - BODY, 3);
    PyObject *array = decode_request(&request);
    ck_assert_ptr_null(request.keeper);
    end_request(&request);
    expect_array(array, EXPECTED_LARGE "[:65535].copy()");
    message_free(&message);
}
END_TEST

/* Each is moved to an aligned address, over nothing that is still unread, and lives on its own. */
START_TEST(uses_several_places_in_one_frame)
{
    if (!has_numpy)
        return;
    choose_way(_i);
    struct message part = {0}, message = {0};
    put_large(&part, "#{data => %b, type => {u, 16}, shape => {32768}, __struct__ => Elixir.PythonxPort.Tensor}", LARGE,
              5);
    struct span term = span_of(part.bytes + BODY, part.length - BODY);
    message_begin(&message);
    terms_put(&message, "[%t, {'between', %t}, #{a => %t, b => %t}, 'end']", term, term, term, term);
    PyObject *object = decode_at(message.bytes + BODY, message.length - BODY, (size_t)_i / 2);
    ck_assert_ptr_nonnull(object);
    python_set("got", object);
    Py_DECREF(object);
    python_exec("a, (between, b), named, end = got\n"
                "assert (between, end) == ('between', 'end')\n"
                "arrays = [a, b, named['a'], named['b']]\n"
                "del got, a, b, named\n"
                "while arrays:\n"
                "    for i, array in enumerate(arrays): array[-1] = i\n"
                "    for i, array in enumerate(arrays): assert array[-1] == i\n"
                "    array = arrays.pop(len(arrays) // 2)\n"
                "    array[-1] = " EXPECTED_LARGE ".view('u2')[-1]\n"
                "    is_array(array, " EXPECTED_LARGE ".view('u2'))");
    message_free(&part);
    message_free(&message);
}
END_TEST

/* Such keys need the map to be read twice, which is not possible any more once bytes were moved. */
START_TEST(refuses_equal_keys_behind_an_array)
{
    if (!has_numpy)
        return;
    struct message part = {0}, message = {0};
    put_large(&part, "#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, shape => {65536}, data => %b}", LARGE,
              5);
    message_begin(&message);
    terms_put(&message, "#{2 => %t, 1 => a, 1.0 => b}", span_of(part.bytes + BODY, part.length - BODY));
    for (size_t offset = 0; offset < ALIGNED; offset++)
        expect_error(decode_at(message.bytes + BODY, message.length - BODY, offset), "equal keys", "equal");
    message_free(&part);
    message_free(&message);
}
END_TEST

/* Of fields that are there twice, as no map of Elixir has them. */
START_TEST(takes_the_last_of_two)
{
    if (!has_numpy)
        return;
    struct message first = {0}, message = {0};
    put_large(&first, "%b", LARGE, 1);
    put_large(&message, "%b", LARGE, 5);
    struct span one = span_of(first.bytes + BODY, first.length - BODY);
    struct span two = span_of(message.bytes + BODY, message.length - BODY);
    struct message whole = {0};
    message_begin(&whole);
    terms_put(&whole,
              "#{__struct__ => Elixir.PythonxPort.Tensor, type => {s, 8}, data => %t, data => %t, type => {u, 8},"
              "  shape => {1}, shape => {65536}}",
              one, two);
    for (size_t offset = 0; offset < ALIGNED; offset++)
        expect_array(decode_at(whole.bytes + BODY, whole.length - BODY, offset), EXPECTED_LARGE);
    message_free(&first);
    message_free(&message);
    message_free(&whole);
}
END_TEST

/* -- in a segment ------------------------------------------------------------------------------------------------- */

static PyObject *decode_segment(const char *format, unsigned long long number, size_t offset, size_t length)
{
    struct message message = {0};
    message_begin(&message);
    terms_put(&message, format, (long long)number, (long long)offset, (long long)length);
    PyObject *object = decode_alone(message.bytes + BODY, message.length - BODY);
    message_free(&message);
    return object;
}

static size_t used_bytes(void)
{
    size_t total, used;
    segment_totals(&total, &used);
    return used;
}

START_TEST(uses_segments)
{
    if (!has_numpy)
        return;
    static const char term[] = "#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 16}, shape => {1000},"
                               "  data => {$segment, %d, %d, %d}}";
    struct segment_lease lease;
    choose_way(_i);
    segment_start(LARGE * 4);
    ck_assert(segment_lease(LARGE, &lease));
    for (size_t offset = 0; offset < 5; offset++) { /* odd ones, too */
        for (size_t i = 0; i < 2000; i++)
            lease.bytes[offset + i] = (unsigned char)(i * 7 + i / 256);
        PyObject *array = decode_segment(term, lease.number, offset, 2000);
        ck_assert_ptr_nonnull(array);
        expect_array(array, "((np.arange(2000) * 7 + np.arange(2000) // 256) % 256).astype('u1').view('u2')");
    }
    PyObject *array = decode_segment(term, lease.number, 16, 2000);
    segment_release(lease.number);
    ck_assert_uint_gt(used_bytes(), 0);
    expect_error(decode_segment(term, lease.number, 16, 2000), "given back", "is not lent");
    python_set("got", array);
    Py_DECREF(array);
    python_exec("part = got[5:]\ndel got");
    ck_assert_uint_gt(used_bytes(), 0);
    python_exec("del part");
    ck_assert_uint_eq(used_bytes(), 0);
}
END_TEST

static const struct {
    size_t offset, length;
} bad_places[] = {{LARGE * 4, 1}, {LARGE * 4 + 1, 0}, {1, LARGE * 4}, {0, LARGE * 4 + 1}, {INT64_MAX, INT64_MAX}};

START_TEST(refuses_what_is_not_in_the_segment)
{
    struct segment_lease lease;
    segment_start(LARGE * 4);
    ck_assert(segment_lease(1, &lease));
    for (size_t i = 0; i < sizeof bad_places / sizeof *bad_places; i++)
        expect_error(decode_segment("{$segment, %d, %d, %d}", lease.number, bad_places[i].offset, bad_places[i].length),
                     "outside", "DecodeError: value: segment");
    expect_error(decode_segment("{$segment, %d, %d, %d}", lease.number + 1, 0, 1), "not lent", "is not lent");
}
END_TEST

/* Outside a tensor, a segment decodes to what a binary would be. */
START_TEST(reads_texts_in_segments)
{
    static const struct {
        const char *term, *expression;
    } texts[] = {
        {"{$segment, %d, %d, %d}", "'text'"},
        {"[{$segment, %d, %d, %d}, 1]", "['text', 1]"},
        {"#{__struct__ => Elixir.PythonxPort.Bytes, data => {$segment, %d, %d, %d}}", "b'text'"},
    };
    struct segment_lease lease;
    segment_start(LARGE * 4);
    ck_assert(segment_lease(1, &lease));
    memcpy(lease.bytes + 3, "text\xff", 5);
    for (size_t i = 0; i < 3; i++) {
        PyObject *object = decode_segment(texts[i].term, lease.number, 3, 4),
                 *expected = python_eval(texts[i].expression);
        ck_assert_ptr_nonnull(object);
        python_assert_alike(object, expected, texts[i].term);
        Py_DECREF(object);
        Py_DECREF(expected);
    }
    expect_error(decode_segment(texts[0].term, lease.number, 3, 5), "no text", "a binary that is not UTF-8");
    segment_release(lease.number);
    ck_assert_uint_eq(used_bytes(), 0);
}
END_TEST

/* Other tuples of that form stay tuples. */
START_TEST(leaves_other_tuples_alone)
{
    static const struct {
        const char *term, *expression;
    } tuples[] = {
        {"{$segment, 1, 2}", "(Atom('$segment'), 1, 2)"},
        {"{$segment, 1, 2, 3, 4}", "(Atom('$segment'), 1, 2, 3, 4)"},
        {"{$segment, a, 2, 3}", "(Atom('$segment'), Atom('a'), 2, 3)"},
        {"{$segment, 1, -2, 3}", "(Atom('$segment'), 1, -2, 3)"},
        {"{$segment, 1, 2, [3]}", "(Atom('$segment'), 1, 2, [3])"},
        {"{'$segment', 1, 2, 3}", "('$segment', 1, 2, 3)"},
        {"{segment, 1, 2, 3}", "(Atom('segment'), 1, 2, 3)"},
    };
    for (size_t i = 0; i < sizeof tuples / sizeof *tuples; i++) {
        PyObject *object = decode_text(tuples[i].term), *expected = python_eval(tuples[i].expression);
        ck_assert_ptr_nonnull(object);
        python_assert_alike(object, expected, tuples[i].term);
        Py_DECREF(object);
        Py_DECREF(expected);
    }
}
END_TEST

/* -- to Elixir ---------------------------------------------------------------------------------------------------- */

/* All of a finished message, its pins in place. */
static unsigned char *flatten(const struct message *message, size_t *length)
{
    *length = message->length;
    for (size_t i = 0; i < message->pin_count; i++)
        *length += message->pins[i].length;
    unsigned char *whole = malloc(*length);
    size_t from = 0, to = 0;
    for (size_t i = 0; i <= message->pin_count; i++) {
        size_t end = i < message->pin_count ? message->pins[i].offset : message->length;
        memcpy(whole + to, message->bytes + from, end - from);
        to += end - from;
        from = end;
        if (i == message->pin_count)
            break;
        memcpy(whole + to, message->pins[i].bytes, message->pins[i].length);
        to += message->pins[i].length;
    }
    return whole;
}

static int encode(struct message *message, const char *expression)
{
    PyObject *object = python_eval(expression);
    message_begin(message);
    int failed = encode_object(message, object, "result");
    Py_DECREF(object);
    return failed;
}

static const struct {
    const char *expression, *term;
} shown[] = {
    {"np.frombuffer(b'abc', 'u1')", "type=>{u,8},shape=>{3},data=>'abc'"},
    {"np.frombuffer(b'abcd', 'i1').reshape(2, 1, 2)", "type=>{s,8},shape=>{2,1,2},data=>'abcd'"},
    {"np.frombuffer(b'abcd', 'u2')", "type=>{u,16},shape=>{2},data=>'abcd'"},
    {"np.frombuffer(b'abcd', 'i2')", "type=>{s,16},shape=>{2},data=>'abcd'"},
    {"np.frombuffer(b'abcd', 'u4')", "type=>{u,32},shape=>{1},data=>'abcd'"},
    {"np.frombuffer(b'abcd', 'i4')[0:1].reshape(())", "type=>{s,32},shape=>{},data=>'abcd'"},
    {"np.frombuffer(b'abcdefgh', 'u8')", "type=>{u,64},shape=>{1},data=>'abcdefgh'"},
    {"np.frombuffer(b'abcdefgh', 'i8')", "type=>{s,64},shape=>{1},data=>'abcdefgh'"},
    {"np.frombuffer(b'abcdefgh', 'l')", "type=>{s,64},shape=>{1},data=>'abcdefgh'"},
    {"np.frombuffer(b'abcdefgh', 'q')", "type=>{s,64},shape=>{1},data=>'abcdefgh'"},
    {"np.frombuffer(b'abcdefgh', 'L')", "type=>{u,64},shape=>{1},data=>'abcdefgh'"},
    {"np.frombuffer(b'abcdefgh', 'Q')", "type=>{u,64},shape=>{1},data=>'abcdefgh'"},
    {"np.frombuffer(b'abcd', 'f2')", "type=>{f,16},shape=>{2},data=>'abcd'"},
    {"np.frombuffer(b'abcd', 'f4')", "type=>{f,32},shape=>{1},data=>'abcd'"},
    {"np.frombuffer(b'abcdefgh', 'f8')", "type=>{f,64},shape=>{1},data=>'abcdefgh'"},
    {"np.frombuffer(b'abcdefgh', 'c8')", "type=>{c,64},shape=>{1},data=>'abcdefgh'"},
    {"np.frombuffer(b'abcdefghijklmnop', 'c16')", "type=>{c,128},shape=>{1},data=>'abcdefghijklmnop'"},
    {"np.zeros(0)", "type=>{f,64},shape=>{0},data=>''"},
    {"np.zeros((3, 0, 2), 'i4')", "type=>{s,32},shape=>{3,0,2},data=>''"},
    {"np.zeros(0, bool)", "type=>{u,8},shape=>{0},data=>''"},
    {"np.zeros((300, 0), bool)", "type=>{u,8},shape=>{300,0},data=>''"},
    {"np.frombuffer(b'a.b.c.', 'u1')[::2]", "type=>{u,8},shape=>{3},data=>'abc'"},
    {"np.frombuffer(b'cba', 'u1')[::-1]", "type=>{u,8},shape=>{3},data=>'abc'"},
    {"np.frombuffer(b'acbd', 'u1').reshape(2, 2).T", "type=>{u,8},shape=>{2,2},data=>'abcd'"},
    {"np.asfortranarray(np.frombuffer(b'abcdef', 'u1').reshape(2, 3))", "type=>{u,8},shape=>{2,3},data=>'abcdef'"},
    {"np.broadcast_to(np.frombuffer(b'ab', 'u1'), (2, 2))", "type=>{u,8},shape=>{2,2},data=>'abab'"},
    {"np.frombuffer(b'a.b.', 'u1').reshape(2, 2)[:, :1]", "type=>{u,8},shape=>{2,1},data=>'ab'"},
    {"np.frombuffer(b'badc', 'u2').byteswap().view(np.dtype('u2').newbyteorder())",
     "type=>{u,16},shape=>{2},data=>'badc'"},
    {"np.frombuffer(b'abcd', 'u4').byteswap().view(np.dtype('u4').newbyteorder()).reshape(())",
     "type=>{u,32},shape=>{},data=>'abcd'"},
    {"np.frombuffer(b'abcdefgh', 'c8').byteswap().view(np.dtype('c8').newbyteorder())",
     "type=>{c,64},shape=>{1},data=>'abcdefgh'"},
    {"np.frombuffer(b'.abcd', 'u1')[1:].view('i4')", "type=>{s,32},shape=>{1},data=>'abcd'"},
    {"np.frombuffer(b'.abcd', np.dtype([('a', 'u1'), ('b', '<f4')]))['b']", "type=>{f,32},shape=>{1},data=>'abcd'"},
    {"np.matrix([[97, 98]], 'u1')", "type=>{u,8},shape=>{1,2},data=>'ab'"},
    {"np.frombuffer(b'ab', 'u1').view(Named)", "type=>{u,8},shape=>{2},data=>'ab'"},
    {"Arrayed(np.frombuffer(b'ab', 'u1'))", "type=>{u,8},shape=>{2},data=>'ab'"},
    {"Arrayed(np.frombuffer(b'ba', 'u1')[::-1])", "type=>{u,8},shape=>{2},data=>'ab'"},
    {"Lent(np.array([97, 98], 'u1'))", "type=>{u,8},shape=>{2},data=>'ab'"},
};

START_TEST(encodes_arrays)
{
    if (!has_numpy)
        return;
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        struct message message = {0};
        char expected[256];
        snprintf(expected, sizeof expected, "#{__struct__=>Elixir.PythonxPort.Tensor,%s}", shown[i].term);
        if (encode(&message, shown[i].expression) < 0)
            PyErr_Print();
        char *text = terms_show(span_of(message.bytes + BODY, message.length - BODY));
        ck_assert_msg(strcmp(text, expected) == 0, "%s: expected %s, got %s", shown[i].expression, expected, text);
        free(text);
        message_free(&message);
    }
}
END_TEST

/* Arrays as they are, and what must come back, if it is not the same. */
static const char *const travellers[][2] = {
    {"np.array([True, False])", NULL},
    {"np.array(True)", NULL},
    {"np.arange(10) % 3 == 1", NULL},
    {"(np.arange(10) % 3 == 1)[::-2]", NULL},
    {"np.arange(24, dtype='i2').reshape(2, 3, 4).transpose(2, 0, 1)", NULL},
    {"np.arange(24.).reshape(2, 3, 4)[:, ::-1, 1:3]", NULL},
    {"np.arange(5, dtype='>f8')", NULL},
    {"np.arange(5, dtype='>c8')[::2]", NULL},
    {"np.arange(5, dtype='>f2')", NULL},
    {"np.array(5, '>i8')", NULL},
    {"np.zeros((2, 3), order='F')", NULL},
    {"np.arange(40000)", NULL},
    {"np.arange(40000)[::3]", NULL},
    {"np.arange(40000, dtype='>i4')", NULL},
    {"np.arange(90000, dtype='f4').reshape(300, 300).T", NULL},
    {"np.broadcast_to(np.float32(1.5), (300, 300))", NULL},
    {"np.frombuffer(bytes(range(256)) * 300, 'f4')", NULL},
    {"np.frombuffer(b'x' + bytes(range(256)) * 300, 'u1')[1:].view('f8')", NULL},
    {"np.frombuffer(b'x' + bytes(range(256)), 'u1')[1:].view('q')", NULL},
    {"np.frombuffer(b'x' + bytes(range(256)), 'u1')[1:].view('l')[::2]", NULL},
    {"np.ones(32 * (1,), 'i4')", NULL},
    {"Arrayed(np.arange(100000))", "np.arange(100000)"},
    {"Arrayed(np.arange(100000)[::2])", "np.arange(0, 100000, 2)"},
    {"Lent(np.arange(100000))", "np.arange(100000)"},
};

START_TEST(brings_arrays_back)
{
    if (!has_numpy)
        return;
    choose_way(_i);
    for (size_t i = 0; i < sizeof travellers / sizeof *travellers; i++) {
        struct message message = {0};
        char expected[256];
        size_t length;
        if (encode(&message, travellers[i][0]) < 0)
            PyErr_Print();
        unsigned char *whole = flatten(&message, &length);
        snprintf(expected, sizeof expected, "plain(%s)", travellers[i][travellers[i][1] == NULL ? 0 : 1]);
        expect_array(decode_at(whole + BODY, length - BODY, i % ALIGNED), expected);
        free(whole);
        message_free(&message);
    }
}
END_TEST

START_TEST(brings_types_of_ml_dtypes_back)
{
    if (!has_ml_dtypes)
        return;
    static const char *const arrays[] = {"a",
                                         "a[::2]",
                                         "a.reshape(2, 3).T",
                                         "a[1:2].reshape(())",
                                         "a[:0]",
                                         "a.byteswap().view(a.dtype.newbyteorder())",
                                         "np.tile(a, 20000)[::-1]"};
    static const char *const types[] = {"bfloat16", "float8_e5m2", "float8_e4m3fn"};
    char code[128];
    snprintf(code, sizeof code, "import ml_dtypes\na = np.array([1, -2, 3.5, 0, np.inf, 448], ml_dtypes.%s)",
             types[_i]);
    python_exec(code);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        struct message message = {0};
        char expected[256];
        size_t length;
        ck_assert_int_eq(encode(&message, arrays[i]), 0);
        unsigned char *whole = flatten(&message, &length);
        snprintf(expected, sizeof expected, "plain(%s)", arrays[i]);
        expect_array(decode_at(whole + BODY, length - BODY, 1), expected);
        free(whole);
        message_free(&message);
    }
    struct message message = {0};
    ck_assert_int_lt(encode(&message, "np.zeros(2, ml_dtypes.float8_e4m3b11fnuz)"), 0);
    expect_error(NULL, "float8", "an array of float8_e4m3b11fnuz has no form as a tensor: convert it with astype");
    message_free(&message);
}
END_TEST

static const struct {
    const char *expression, *part;
} refused[] = {
    {"np.array([None])", "EncodeError: result: an array of object has no form as a tensor: send array.tolist()"},
    {"[np.array([{}, 'a'])]", "EncodeError: result[0]: an array of object has no form"},
    {"{'a': np.array(['a', 'b'])}", "result[\"a\"]: an array of <U1 has no form as a tensor: send array.tolist()"},
    {"np.array([b'a'])", "an array of |S1 has no form as a tensor: send array.tolist()"},
    {"np.zeros(2, 'S3')[::2]", "an array of |S3 has no form"},
    {"np.array(['2024-01-01'], 'M8[s]')",
     "an array of datetime64[s] has no form as a tensor: send array.astype('int64')"},
    {"np.array([1], 'm8[ns]')", "an array of timedelta64[ns] has no form as a tensor: send array.astype('int64')"},
    {"np.zeros(2, 'i4,f8')", "has no form as a tensor: send its fields one by one"},
    {"np.zeros(2, 'V4')", "an array of |V4 has no form as a tensor"},
    {"np.zeros(2, 'i4,f8').view(np.recarray)", "has no form as a tensor"},
    {"np.zeros(2, np.longdouble)", "has no form as a tensor: convert it with astype"},
    {"np.zeros(2, np.clongdouble)", "has no form as a tensor: convert it with astype"},
    {"np.ma.array([1, 2], mask=[0, 1])", "a masked array has no form as a tensor: send array.filled(value)"},
    {"Broken()", "EncodeError: result: __main__.Broken as an array: gone"},
    {"NoArray()", "EncodeError: result: __main__.NoArray as an array"},
    {"Elsewhere()", "EncodeError: result: __main__.Elsewhere as an array"},
    {"Arrayed(np.array([None]))", "EncodeError: result: an array of object has no form"},
    {"np.clongdouble(1)", "numpy.clongdouble has no Erlang term"},
    {"np.longdouble(1)", "has no Erlang term"},
    {"np.timedelta64(5, 'ns')", "EncodeError: result: a timedelta64[ns] has no form in Elixir"},
    {"np.datetime64(5, 'ns')", "EncodeError: result: a datetime64[ns] has no form in Elixir"},
    {"np.datetime64(10**15, 's')", "EncodeError: result: a datetime64[s] has no form in Elixir"},
};

START_TEST(refuses_other_arrays)
{
    if (!has_numpy)
        return;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct message message = {0};
        ck_assert_msg(encode(&message, refused[i].expression) < 0, "a term for %s", refused[i].expression);
        expect_error(NULL, refused[i].expression, refused[i].part);
        message_free(&message);
    }
}
END_TEST

/* Large data is sent from where it lies, and held until then. */
START_TEST(pins_what_is_large)
{
    if (!has_numpy)
        return;
    struct message message = {0};
    python_exec("array = np.arange(65536 // 8)\naddress = array.ctypes.data\nbefore = sys.getrefcount(array)");
    ck_assert_int_eq(encode(&message, "array"), 0);
    ck_assert_uint_eq(message.pin_count, 1);
    ck_assert_uint_eq(message.pins[0].length, LARGE);
    PyObject *address = python_eval("address");
    ck_assert_ptr_eq(message.pins[0].bytes, PyLong_AsVoidPtr(address));
    python_exec("assert sys.getrefcount(array) > before");
    message_release_pins(&message);
    python_exec("assert sys.getrefcount(array) == before");
    ck_assert_int_eq(encode(&message, "array[:-1]"), 0);
    ck_assert_uint_eq(message.pin_count, 0);
    Py_DECREF(address);
    message_free(&message);
}
END_TEST

/* Keys are compared in the message: none may lie outside of it. */
START_TEST(compares_large_keys)
{
    struct message message = {0};
    ck_assert_int_eq(encode(&message, "{memoryview(100000 * b'a'): 1, memoryview(100000 * b'b'): 2}"), 0);
    ck_assert_int_lt(encode(&message, "{memoryview(100000 * b'a'): 1, 100000 * 'a': 2}"), 0);
    expect_error(NULL, "equal keys", "two keys that are the same Erlang term");
    if (has_numpy) {
        ck_assert_int_eq(encode(&message, "{Arrayed(np.zeros(100000)): 1, Arrayed(np.ones(100000)): 2}"), 0);
        ck_assert_int_lt(encode(&message, "{Arrayed(np.ones(100000)): 1, Arrayed(np.ones(100000)): 2}"), 0);
        expect_error(NULL, "equal keys", "two keys that are the same Erlang term");
    }
    message_free(&message);
}
END_TEST

/* Not through segments either. */
START_TEST(sends_large_keys_with_the_message)
{
    static const char *const dicts[] = {"{100000 * 'k': 1}", "{100000 * 'k': 1, 1: 2}", "{(100000 * b'k',): 1}"};
    struct message message = {0};
    segment_start(LARGE * 4);
    for (size_t i = 0; i < 3; i++) {
        PyObject *dict = python_eval(dicts[i]);
        message_begin(&message);
        message.share_from = 1;
        ck_assert_int_eq(encode_object(&message, dict, "result"), 0);
        ck_assert(message.lease_count == 0 && message.pin_count == 0 && message.length > 100000);
        Py_DECREF(dict);
    }
    message_free(&message);
}
END_TEST

START_TEST(puts_results_in_segments)
{
    if (!has_numpy)
        return;
    struct message message = {0};
    segment_start(8 * LARGE);
    message_begin(&message);
    message.share_from = 1000;
    PyObject *object = python_eval("[np.arange(250, dtype='i4'), b'x' * 999, (b'y' * 1000, np.ones((2, 500)).T)]");
    ck_assert_int_eq(encode_object(&message, object, "result"), 0);
    Py_DECREF(object);
    ck_assert_uint_eq(message.lease_count, 2); /* for a third there is no room */
    ck_assert_uint_eq(used_bytes(), 8 * LARGE);
    unsigned char *bytes;
    struct segment *segment = segment_pin(message.leases[0], 0, 1000, &bytes);
    ck_assert_ptr_nonnull(segment);
    int last;
    memcpy(&last, bytes + 996, sizeof last);
    ck_assert_int_eq(last, 249);
    segment_unpin(segment);
    char expected[400];
    snprintf(expected, sizeof expected,
             "[#{__struct__=>Elixir.PythonxPort.Tensor,type=>{s,32},shape=>{250},data=>{$segment,%llu,",
             message.leases[0]);
    char *text = terms_show(span_of(message.bytes + BODY, message.length - BODY));
    ck_assert_msg(strncmp(text, expected, strlen(expected)) == 0, "expected %s, got %s", expected, text);
    free(text);
    for (size_t i = 0; i < 2; i++)
        segment_release(message.leases[i]);
    ck_assert_uint_eq(used_bytes(), 0);
    message_free(&message);
}
END_TEST

/* -- again and again ---------------------------------------------------------------------------------------------- */

/* xorshift: the same numbers in every run. */
static unsigned random_below(unsigned bound)
{
    static unsigned state = 88172645u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % bound;
}

static void mutate(unsigned char *bytes, size_t *length)
{
    for (unsigned count = 1 + random_below(3); count > 0; count--) {
        size_t at = random_below((unsigned)*length);
        if (random_below(8) == 0)
            *length = at + 1;
        else
            bytes[at] ^= (unsigned char)(random_below(2) == 0 ? random_below(256) : 1u << random_below(8));
    }
}

/* Any fields give an object or an error. The large one lies in the frame. */
START_TEST(survives_mutated_fields)
{
    if (!has_numpy)
        return;
    struct message messages[3] = {{0}};
    struct segment_lease lease;
    segment_start(LARGE * 4);
    ck_assert(segment_lease(1, &lease));
    choose_way(_i);
    message_begin(&messages[0]);
    terms_put(
        &messages[0],
        "#{__struct__ => Elixir.Nx.Tensor, type => {f, 32}, shape => {2}, names => [nil], vectorized_axes => [{x, 1}],"
        "  data => #{__struct__ => Elixir.Nx.BinaryBackend, state => 'abcdefgh'}}");
    message_begin(&messages[1]);
    terms_put(&messages[1],
              "#{shape => {2, 2}, type => {s, 16}, data => {$segment, %d, 8, 8},"
              "  __struct__ => Elixir.PythonxPort.Tensor}",
              (long long)lease.number);
    put_large(&messages[2],
              "#{__struct__ => Elixir.PythonxPort.Tensor, type => {u, 8}, data => %b, shape => {256, 256}}", LARGE, 5);
    for (int round = 0; round < 6000; round++) {
        const struct message *message = &messages[round % 3];
        size_t length = message->length - BODY, head = length < 200 ? length : 80;
        unsigned char *copy = bytes_copy(message->bytes + BODY, length);
        mutate(copy, &head);
        PyObject *object = decode_at(copy, length < 200 ? head : length, (size_t)round % ALIGNED);
        ck_assert((object == NULL) == (PyErr_Occurred() != NULL));
        PyErr_Clear();
        Py_XDECREF(object);
        free(copy);
    }
    segment_release(lease.number);
    ck_assert_uint_eq(used_bytes(), 0);
    for (int i = 0; i < 3; i++)
        message_free(&messages[i]);
}
END_TEST

static void go_round(void)
{
    struct message message = {0};
    for (size_t i = 0; i < FORMS; i++) {
        put_form(&message, &forms[i], writings[i % WRITINGS]);
        Py_XDECREF(decode_at(message.bytes + BODY, message.length - BODY, 0));
    }
    put_large(&message, large_writings[0], LARGE, 5);
    Py_XDECREF(decode_at(message.bytes + BODY, message.length - BODY, 1));
    for (size_t i = 0; i < BAD_FIELDS; i++) {
        Py_XDECREF(decode_text(bad_fields[i].term));
        PyErr_Clear();
    }
    for (size_t i = 0; i < sizeof travellers / sizeof *travellers; i++)
        ck_assert_int_eq(encode(&message, travellers[i][0]), 0);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        /* Of those NumPy itself keeps something. */
        if (strstr(refused[i].expression, "recarray") == NULL)
            ck_assert_int_lt(encode(&message, refused[i].expression), 0);
        PyErr_Clear();
    }
    message_free(&message);
}

/* A lost reference would be one block more in each round. */
START_TEST(keeps_no_references)
{
    enum { ROUNDS = 700, NOISE = 600 };
    if (!has_numpy)
        return;
    choose_way(_i);
    for (int i = 0; i < 150; i++)
        go_round();
    Py_ssize_t before = python_blocks();
    for (int i = 0; i < ROUNDS; i++)
        go_round();
    Py_ssize_t after = python_blocks();
    ck_assert_msg(after - before < NOISE, "%zd blocks more", after - before);
}
END_TEST

static TCase *segments_tcase(void)
{
    TCase *tcase = tcase_create("segments");
    tcase_add_unchecked_fixture(tcase, start, NULL);
    tcase_add_loop_test(tcase, uses_segments, 0, 2);
    tcase_add_test(tcase, refuses_what_is_not_in_the_segment);
    tcase_add_test(tcase, reads_texts_in_segments);
    tcase_add_test(tcase, puts_results_in_segments);
    tcase_add_loop_test(tcase, survives_mutated_fields, 0, 2);
    tcase_set_timeout(tcase, 60);
    return tcase;
}

Suite *tensor_suite(void)
{
    Suite *suite = suite_create("tensor");
    TCase *tcase = tcase_create("tensors");
    tcase_add_unchecked_fixture(tcase, start, NULL);
    tcase_add_loop_test(tcase, decodes_every_type, 0, 2);
    tcase_add_test(tcase, decodes_native_numbers);
    tcase_add_test(tcase, puts_vectorized_axes_first);
    tcase_add_test(tcase, decodes_inside_of_other_terms);
    tcase_add_loop_test(tcase, decodes_types_of_ml_dtypes, 0, 2 * OF_ML_DTYPES);
    tcase_add_loop_test(tcase, refuses_bad_fields, 0, 2);
    tcase_add_test(tcase, refuses_odd_kinds);
    tcase_add_test(tcase, survives_nested_backends);
    tcase_add_test(tcase, refuses_what_is_cut);
    tcase_add_test(tcase, says_that_numpy_is_missing);
    tcase_add_loop_test(tcase, uses_the_frame, 0, 2);
    tcase_add_test(tcase, copies_what_is_smaller);
    tcase_add_loop_test(tcase, uses_several_places_in_one_frame, 0, 2 * ALIGNED);
    tcase_add_test(tcase, refuses_equal_keys_behind_an_array);
    tcase_add_test(tcase, takes_the_last_of_two);
    tcase_add_test(tcase, leaves_other_tuples_alone);
    tcase_add_test(tcase, encodes_arrays);
    tcase_add_loop_test(tcase, brings_arrays_back, 0, 2);
    tcase_add_loop_test(tcase, brings_types_of_ml_dtypes_back, 0, 3);
    tcase_add_test(tcase, refuses_other_arrays);
    tcase_add_test(tcase, pins_what_is_large);
    tcase_add_test(tcase, compares_large_keys);
    tcase_add_test(tcase, sends_large_keys_with_the_message);
    tcase_add_loop_test(tcase, keeps_no_references, 0, 2);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    if (memfd_is_supported())
        suite_add_tcase(suite, segments_tcase());
    return suite;
}
