/* Writes texts whose lone surrogates must not prevent a message: they become \udc80 and the like. All functions need
 * the GIL. */
#ifndef PYTHONX_LOSSY_TEXT_H
#define PYTHONX_LOSSY_TEXT_H

#include "python/py_api.h"
#include "wire/message.h"

/* Returns a new reference to the bytes; NULL with an error set, also if `text` is NULL. */
PyObject *lossy_text_utf8(PyObject *text);

/* Appends a binary: the text, or `otherwise` if it is NULL or memory is short. Clears the current error. */
void lossy_text_put(struct message *message, PyObject *text, const char *otherwise);

#endif
