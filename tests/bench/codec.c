/* Measures the engine's codec against CPython's own: decode and encode beside pickle.loads and pickle.dumps (protocol
 * 5), on the same data, in the same process, in turns. Prints a line for each round of each piece of work: its name,
 * the seconds of CPU time that one turn of the codec took, and those of pickle. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/decode.h"
#include "codec/encode.h"
#include "codec/refs.h"
#include "erlang_module.h"
#include "python/py_api.h"
#include "wire/frame.h"
#include "wire/message.h"

#define PICKLE_PROTOCOL 5
/* Frame length and version byte, which come before the term. */
#define BEFORE_TERM (FRAME_HEADER + 1)

struct work {
    const char *name;
    void (*put)(struct message *message, uint32_t count); /* the value, as a BEAM would send it */
    uint32_t count;
    int rounds, turns; /* each round reports the mean of its turns */
    struct message frame;
    PyObject *object;  /* what the frame decodes to */
    PyObject *pickled; /* bytes */
};

static PyObject *loads, *dumps, *protocol;

__attribute__((noreturn)) static void fail(const char *what)
{
    fprintf(stderr, "codec: %s\n", what);
    if (PyErr_Occurred())
        PyErr_Print();
    exit(EXIT_FAILURE);
}

/* -- the data ----------------------------------------------------------------------------------------------------- */

static void put_record(struct message *message, uint32_t number)
{
    char text[32];
    message_put_map(message, 4);
    message_put_text(message, "id");
    message_put_integer(message, number);
    message_put_text(message, "name");
    snprintf(text, sizeof text, "customer %u", number);
    message_put_text(message, text);
    message_put_text(message, "score");
    message_put_float(message, number * 0.37);
    message_put_text(message, "tags");
    message_put_list(message, 3);
    for (uint32_t i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "tag-%u", (number + i * i) % 50);
        message_put_text(message, text);
    }
    message_put_nil_list(message);
}

static void put_records(struct message *message, uint32_t count)
{
    message_put_list(message, count);
    for (uint32_t i = 0; i < count; i++)
        put_record(message, i);
    message_put_nil_list(message);
}

static void put_floats(struct message *message, uint32_t count)
{
    message_put_list(message, count);
    for (uint32_t i = 0; i < count; i++)
        message_put_float(message, i * 0.37);
    message_put_nil_list(message);
}

static void put_integers(struct message *message, uint32_t count)
{
    message_put_list(message, count);
    for (uint32_t i = 0; i < count; i++)
        message_put_integer(message, i % 1000);
    message_put_nil_list(message);
}

/* -- what is measured --------------------------------------------------------------------------------------------- */

static PyObject *decode(const struct work *work)
{
    struct span span = span_of(work->frame.bytes + FRAME_HEADER, work->frame.length - FRAME_HEADER);
    (void)span_take(&span, 1);
    struct decoder decoder = decoder_of(span, false);
    return decode_term(&decoder, "value");
}

static bool encode(const struct work *work, struct message *reply)
{
    message_begin(reply);
    return encode_object(reply, work->object, "value") == 0 && message_finish(reply) == MESSAGE_OK;
}

static PyObject *unpickle(const struct work *work)
{
    return PyObject_CallFunctionObjArgs(loads, work->pickled, NULL);
}

static PyObject *pickle(const struct work *work)
{
    return PyObject_CallFunctionObjArgs(dumps, work->object, protocol, NULL);
}

static double cpu_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The next new container triggers the collection that is due by then: deferring it would be no gain. */
static void collect_if_due(void)
{
    PyObject *container = PyList_New(0);
    Py_XDECREF(container);
}

/* Freeing the objects belongs to the time that it takes to make them. */
static double time_objects(const struct work *work, PyObject *(*make)(const struct work *))
{
    double start = cpu_time();
    for (int i = 0; i < work->turns; i++) {
        PyObject *object = make(work);
        if (object == NULL)
            fail(work->name);
        collect_if_due();
        Py_DECREF(object);
    }
    return (cpu_time() - start) / work->turns;
}

static double time_encode(const struct work *work)
{
    struct message reply = {0};
    double start = cpu_time();
    for (int i = 0; i < work->turns; i++)
        if (!encode(work, &reply))
            fail(work->name);
    double seconds = (cpu_time() - start) / work->turns;
    message_free(&reply);
    return seconds;
}

static void run_round(const struct work *work)
{
    double ours_in = time_objects(work, decode), theirs_in = time_objects(work, unpickle);
    double ours_out = time_encode(work), theirs_out = time_objects(work, pickle);
    printf("%s, decode\t%.9f\t%.9f\n", work->name, ours_in, theirs_in);
    printf("%s, encode\t%.9f\t%.9f\n", work->name, ours_out, theirs_out);
    printf("%s\t%.9f\t%.9f\n", work->name, ours_in + ours_out, theirs_in + theirs_out);
}

/* -- around it ---------------------------------------------------------------------------------------------------- */

/* A fast but wrong result is not worth measuring. */
static void check(const struct work *work)
{
    struct message reply = {0};
    PyObject *copy = unpickle(work);
    if (copy == NULL || PyObject_RichCompareBool(copy, work->object, Py_EQ) != 1)
        fail("pickle gave something else back");
    if (!encode(work, &reply) || reply.length != work->frame.length ||
        memcmp(reply.bytes, work->frame.bytes, reply.length) != 0)
        fail("the codec gave something else back");
    Py_DECREF(copy);
    message_free(&reply);
}

static void prepare(struct work *work)
{
    message_begin(&work->frame);
    work->put(&work->frame, work->count);
    if (message_finish(&work->frame) != MESSAGE_OK)
        fail("out of memory");
    work->object = decode(work);
    work->pickled = work->object == NULL ? NULL : pickle(work);
    if (work->pickled == NULL)
        fail(work->name);
    check(work);
}

static void finish(struct work *work)
{
    message_free(&work->frame);
    Py_CLEAR(work->object);
    Py_CLEAR(work->pickled);
}

static void start(void)
{
    if (erlang_module_announce() < 0)
        fail("Python could not be set up");
    Py_InitializeEx(0);
    PyObject *erlang = PyImport_ImportModule("erlang");
    if (erlang == NULL || decode_start() < 0 || refs_start() < 0)
        fail("the engine could not be started");
    Py_DECREF(erlang);
    PyObject *module = PyImport_ImportModule("_pickle");
    if (module == NULL)
        fail("this Python has no _pickle");
    loads = PyObject_GetAttrString(module, "loads");
    dumps = PyObject_GetAttrString(module, "dumps");
    protocol = PyLong_FromLong(PICKLE_PROTOCOL);
    Py_DECREF(module);
    if (loads == NULL || dumps == NULL || protocol == NULL)
        fail("pickle could not be set up");
}

int main(void)
{
    struct work works[] = {
        {.name = "1,000 maps", .put = put_records, .count = 1000, .rounds = 100, .turns = 10},
        {.name = "100,000 floats", .put = put_floats, .count = 100000, .rounds = 60, .turns = 2},
        {.name = "100,000 small ints", .put = put_integers, .count = 100000, .rounds = 60, .turns = 2},
    };
    start();
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        prepare(&works[i]);
        for (int round = 0; round < works[i].rounds; round++)
            run_round(&works[i]);
        finish(&works[i]);
    }
    return Py_FinalizeEx() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
