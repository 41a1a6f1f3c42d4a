/* Sends each line as one event before the write returns, and so before the reply. An incomplete line is held here until
 * it is complete, or until the request ends. */
#include "python/output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/platform.h"
#include "os/std_fds.h"
#include "python/emit.h"
#include "wire/message.h"
#include "wire/protocol.h"
#include "wire/request.h"

/* A longer line is sent in pieces. */
#define HELD_MAX ((size_t)64 * 1024)

static const char *const names[] = {"stdout", "stderr"};
static struct context_text text_of_none[2];

/* Returns the incomplete line of a request, or of code that belongs to none. */
static struct context_text *text_of(struct context *context, int stream)
{
    return context == NULL || context->job == NULL ? &text_of_none[stream] : &context->text[stream];
}

/* Sends one event with the held text and `more`. Returns false if memory is short. */
static bool send_output(struct context *context, int stream, const unsigned char *more, size_t length)
{
    struct context_text *text = text_of(context, stream);
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 4);
    message_put_atom_text(&message, PROTOCOL_OUTPUT);
    context_put_id(&message, context);
    message_put_atom_text(&message, names[stream]);
    message_put_binary_of_two(&message, text->bytes, text->length, more, length);
    text->length = 0;
    return emit_and_free(&message);
}

static bool hold(struct context_text *text, const unsigned char *bytes, size_t length)
{
    if (text->capacity - text->length < length) {
        size_t capacity = text->length + length < HELD_MAX ? 2 * (text->length + length) : text->length + length;
        unsigned char *longer = realloc(text->bytes, capacity);
        if (longer == NULL)
            return false;
        text->bytes = longer;
        text->capacity = capacity;
    }
    if (length > 0)
        memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    return true;
}

static bool put_text(struct context *context, int stream, const unsigned char *bytes, size_t length)
{
    const unsigned char *line_end = platform_find_last(bytes, '\n', length);
    size_t whole = line_end == NULL ? 0 : (size_t)(line_end - bytes) + 1;
    if (line_end == NULL && text_of(context, stream)->length + length > HELD_MAX)
        whole = length;
    if (whole > 0 && !send_output(context, stream, bytes, whole))
        return false;
    return hold(text_of(context, stream), bytes + whole, length - whole);
}

static bool put_for_this(int stream, const unsigned char *bytes, size_t length)
{
    struct context *context = context_current();
    bool done = put_text(context, stream, bytes, length);
    Py_XDECREF((PyObject *)context);
    return done;
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
    if (!std_fds_forked())
        written = put_for_this(fd == 2, bytes.buf, (size_t)length) ? PyLong_FromSsize_t(length) : PyErr_NoMemory();
    /* The stream is the parent's: a forked child's text goes to the port's stderr. */
    else if ((length = write(STDERR_FILENO, bytes.buf, (size_t)length)) >= 0)
        written = PyLong_FromSsize_t(length);
    else
        PyErr_SetFromErrno(PyExc_OSError);
    PyBuffer_Release(&bytes);
    return written;
}

void output_flush(struct context *context)
{
    for (int stream = 0; stream < 2; stream++)
        if (text_of(context, stream)->length > 0 && !std_fds_forked())
            (void)send_output(context, stream, NULL, 0);
}

PyObject *output_flush_function(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    struct context *context = context_current();
    output_flush(context);
    Py_XDECREF((PyObject *)context);
    Py_RETURN_NONE;
}
