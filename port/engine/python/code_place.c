/* Reads the file and the module of a frame through its attributes, which is all that the stable ABI offers. */
#include "python/code_place.h"

#include <stdbool.h>
#include <string.h>

/* Returns the text of an attribute of an attribute, or of an item of it, borrowed while *holder is held; NULL if there
 * is none. */
static const char *text_of(PyObject *text)
{
    const char *utf8 = text == NULL || !PyUnicode_Check(text) ? NULL : PyUnicode_AsUTF8AndSize(text, NULL);
    PyErr_Clear();
    return utf8;
}

static bool begins_with(const char *text, const char *prefix)
{
    return text != NULL && strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Returns a new reference to the name of the frame's file. */
static PyObject *file_of(PyObject *frame)
{
    PyObject *code = PyObject_GetAttrString(frame, "f_code");
    PyObject *file = code == NULL ? NULL : PyObject_GetAttrString(code, "co_filename");
    Py_XDECREF(code);
    return file;
}

/* Returns a new reference to the frame's module's __name__. */
static PyObject *module_of(PyObject *frame)
{
    PyObject *globals = PyObject_GetAttrString(frame, "f_globals");
    PyObject *name = globals == NULL ? NULL : PyMapping_GetItemString(globals, "__name__");
    Py_XDECREF(globals);
    return name;
}

static bool stands_in(PyObject *frame, const char *file_prefix)
{
    PyObject *file = file_of(frame);
    bool stands = begins_with(text_of(file), file_prefix);
    Py_XDECREF(file);
    return stands;
}

/* asyncio.runners is excluded: it runs user code as a whole and keeps no callbacks. */
static bool is_asyncio(PyObject *frame)
{
    PyObject *module = module_of(frame);
    const char *name = text_of(module);
    bool is = name != NULL && (strcmp(name, "asyncio") == 0 || begins_with(name, "asyncio.")) &&
              strcmp(name, "asyncio.runners") != 0;
    Py_XDECREF(module);
    return is;
}

static bool is_selectors(PyObject *frame)
{
    PyObject *module = module_of(frame);
    const char *name = text_of(module);
    bool is = name != NULL && strcmp(name, "selectors") == 0;
    Py_XDECREF(module);
    return is;
}

static bool has_caller_in_asyncio(PyObject *frame)
{
    PyObject *caller = PyObject_GetAttrString(frame, "f_back");
    bool has = caller != NULL && !Py_IsNone(caller) && is_asyncio(caller);
    Py_XDECREF(caller);
    return has;
}

static bool is_importing(PyObject *frame)
{
    bool importing = false;
    Py_INCREF(frame);
    while (frame != NULL && !Py_IsNone(frame) && !importing) {
        importing = stands_in(frame, "<frozen importlib._bootstrap");
        Py_SETREF(frame, PyObject_GetAttrString(frame, "f_back"));
    }
    Py_XDECREF(frame);
    return importing;
}

enum code_place code_place_of(PyObject *frame)
{
    enum code_place place = CODE_OF_USER;
    if (frame == NULL || Py_IsNone(frame))
        return place;
    if (is_importing(frame))
        place = CODE_OF_IMPORT;
    else if (stands_in(frame, "<pythonx_port "))
        place = CODE_OF_ENGINE;
    else if (is_asyncio(frame))
        place = CODE_OF_ASYNCIO;
    else if (is_selectors(frame) && has_caller_in_asyncio(frame))
        place = CODE_OF_SELECT;
    PyErr_Clear();
    return place;
}
