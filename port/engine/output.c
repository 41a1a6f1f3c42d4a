/* A line is one event, sent before the write returns, and so before the reply; what is no whole line yet is held here
 * until it is, or until the request ends. */
#include "output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptors.h"
#include "message.h"
#include "protocol.h"
#include "request.h"

/* A line that is longer goes out in pieces. */
#define HELD_MAX ((size_t)64 * 1024)

struct stream {
    const char *name;
    unsigned char *held;
    size_t length, capacity;
};

static struct stream streams[] = {{.name = "stdout"}, {.name = "stderr"}};
static struct writer *output_writer;
static struct span owner;

void output_start(struct writer *writer)
{
    output_writer = writer;
}

void output_attribute(struct span id)
{
    owner = id;
}

/* One event with `more` behind what is held. False where memory is short. */
static bool send_output(struct stream *stream, const unsigned char *more, size_t length)
{
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 4);
    message_put_atom_text(&message, PROTOCOL_OUTPUT);
    request_put_id(&message, owner);
    message_put_atom_text(&message, stream->name);
    message_put_binary_of_two(&message, stream->held, stream->length, more, length);
    stream->length = 0;
    bool whole = message_finish(&message) == MESSAGE_OK;
    if (whole) {
        PyThreadState *thread = PyEval_SaveThread();
        writer_send(output_writer, &message);
        PyEval_RestoreThread(thread);
    }
    message_free(&message);
    return whole;
}

static bool hold(struct stream *stream, const unsigned char *bytes, size_t length)
{
    if (stream->capacity - stream->length < length) {
        size_t capacity = stream->length + length < HELD_MAX ? 2 * (stream->length + length) : stream->length + length;
        unsigned char *longer = realloc(stream->held, capacity);
        if (longer == NULL)
            return false;
        stream->held = longer;
        stream->capacity = capacity;
    }
    if (length > 0)
        memcpy(stream->held + stream->length, bytes, length);
    stream->length += length;
    return true;
}

static bool put(struct stream *stream, const unsigned char *bytes, size_t length)
{
    const unsigned char *line_end = length == 0 ? NULL : memrchr(bytes, '\n', length);
    size_t whole = line_end == NULL ? 0 : (size_t)(line_end - bytes) + 1;
    if (line_end == NULL && stream->length + length > HELD_MAX)
        whole = length;
    if (whole > 0 && !send_output(stream, bytes, whole))
        return false;
    return hold(stream, bytes + whole, length - whole);
}

PyObject *output_write_function(PyObject *self, PyObject *arguments)
{
    int fd;
    Py_buffer bytes;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "iy*", &fd, &bytes))
        return NULL;
    Py_ssize_t length = bytes.len;
    PyObject *written = NULL;
    if (!descriptors_forked())
        written = put(&streams[fd == 2], bytes.buf, (size_t)length) ? PyLong_FromSsize_t(length) : PyErr_NoMemory();
    /* The stream is the parent's: a child's text goes to the port's stderr. */
    else if ((length = write(STDERR_FILENO, bytes.buf, (size_t)length)) >= 0)
        written = PyLong_FromSsize_t(length);
    else
        PyErr_SetFromErrno(PyExc_OSError);
    PyBuffer_Release(&bytes);
    return written;
}

void output_flush(void)
{
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (streams[i].length > 0 && !descriptors_forked())
            (void)send_output(&streams[i], NULL, 0);
}

PyObject *output_flush_function(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    output_flush();
    Py_RETURN_NONE;
}
