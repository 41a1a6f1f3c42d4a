/* Each write is one event, sent before the function returns, and so before the reply. */
#include "output.h"

#include <unistd.h>

#include "descriptors.h"
#include "message.h"
#include "protocol.h"
#include "request.h"

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

PyObject *output_write(PyObject *self, PyObject *arguments)
{
    int fd;
    Py_buffer bytes;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "iy*", &fd, &bytes))
        return NULL;
    if (descriptors_forked()) {
        /* The stream is the parent's: a child's text goes to the port's stderr. */
        ssize_t written = write(STDERR_FILENO, bytes.buf, (size_t)bytes.len);
        PyBuffer_Release(&bytes);
        return written < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromSsize_t(written);
    }
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 4);
    message_put_atom_text(&message, PROTOCOL_OUTPUT);
    request_put_id(&message, owner);
    message_put_atom_text(&message, fd == 1 ? "stdout" : "stderr");
    message_put_binary(&message, bytes.buf, (size_t)bytes.len);
    Py_ssize_t length = bytes.len;
    PyBuffer_Release(&bytes);
    enum message_status status = message_finish(&message);
    if (status == MESSAGE_OK) {
        Py_BEGIN_ALLOW_THREADS writer_send(output_writer, &message);
        Py_END_ALLOW_THREADS
    }
    message_free(&message);
    return status == MESSAGE_OK ? PyLong_FromSsize_t(length) : PyErr_NoMemory();
}
