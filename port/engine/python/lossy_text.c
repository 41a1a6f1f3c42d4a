/* Encodes texts with the error handler backslashreplace. */
#include "python/lossy_text.h"
#include "python/interrupt.h"

PyObject *lossy_text_utf8(PyObject *text)
{
    return text == NULL ? NULL : PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
}

void lossy_text_put(struct message *message, PyObject *text, const char *otherwise)
{
    PyObject *utf8 = lossy_text_utf8(text);
    if (utf8 != NULL)
        message_put_binary(message, PyBytes_AsString(utf8), (size_t)PyBytes_Size(utf8));
    else
        message_put_text(message, otherwise);
    interrupt_clear_error();
    Py_XDECREF(utf8);
}
