/* Builds paths for messages, one step at a time. */
#include "codec/value_path.h"

#include <stdio.h>
#include <string.h>

#include "python/errors.h"

#define KEY_SHOWN 48

/* Shortens a text, at the start of a UTF-8 character. */
static void shorten(char *text, size_t length)
{
    if (strlen(text) <= length)
        return;
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    text[length] = '\0';
}

void value_path_prepend(struct value_path *path, const char *step)
{
    char joined[2 * sizeof path->text];
    snprintf(joined, sizeof joined, "%s%s", step, path->text);
    shorten(joined, sizeof path->text - 1);
    memcpy(path->text, joined, strlen(joined) + 1);
}

void value_path_prepend_index(struct value_path *path, Py_ssize_t index)
{
    char step[32];
    snprintf(step, sizeof step, "[%zd]", index);
    value_path_prepend(path, step);
}

static void print_key(PyObject *key, char text[KEY_SHOWN + 8])
{
    int is_text = PyUnicode_Check(key);
    PyObject *shown = is_text ? Py_NewRef(key) : PyObject_Repr(key);
    const char *utf8 = shown == NULL ? NULL : PyUnicode_AsUTF8AndSize(shown, NULL);
    const char *quote = is_text ? "\"" : "";
    char cut_text[KEY_SHOWN + 1];
    snprintf(cut_text, sizeof cut_text, "%s", utf8 == NULL ? "?" : utf8);
    shorten(cut_text, KEY_SHOWN - 1);
    snprintf(text, KEY_SHOWN + 8, "[%s%s%s]", quote, cut_text, quote);
    Py_XDECREF(shown);
}

void value_path_prepend_key(struct value_path *path, PyObject *key)
{
    char step[KEY_SHOWN + 8];
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    print_key(key, step);
    PyErr_Restore(type, value, traceback);
    value_path_prepend(path, step);
}

void value_path_raise(const struct value_path *path, PyObject *error_type)
{
    if (path->text[0] == '\0' || !PyErr_ExceptionMatches(error_type))
        return;
    PyObject *exception = errors_take();
    PyObject *text = exception == NULL ? NULL : PyObject_Str(exception);
    if (text != NULL)
        PyErr_Format(error_type, "%s: %U", path->text, text);
    if (text != NULL)
        errors_copy_byte(exception);
    Py_XDECREF(text);
    Py_XDECREF(exception);
}
