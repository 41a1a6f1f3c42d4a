/* Decodes the captured variables that used_names.py finds in the code. */
#include "exec/captured.h"

#include <stdio.h>

#include "codec/decode.h"
#include "exec/bindings.h"
#include "python/embedded.h"
#include "python/errors.h"
#include "wire/term.h"

#define WHAT "captured"

static PyObject *used_names; /* the function, once a request had the option */

/* Returns a new reference to a frozenset. */
static PyObject *find_used_names(PyObject *text)
{
    if (used_names == NULL) {
        PyObject *module = embedded_load("used_names");
        used_names = module == NULL ? NULL : PyObject_GetAttrString(module, "used_names");
        Py_XDECREF(module);
    }
    return used_names == NULL ? NULL : PyObject_CallFunctionObjArgs(used_names, text, NULL);
}

/* Returns a new reference to a plain str. */
static PyObject *decode_name(struct decoder *decoder)
{
    PyObject *name = decode_term(decoder, WHAT), *plain = NULL;
    if (name != NULL && PyUnicode_Check(name))
        plain = PyUnicode_FromObject(name);
    else if (name != NULL)
        PyErr_SetString(errors_BadRequest, WHAT ": the keys are names");
    Py_XDECREF(name);
    return plain;
}

/* Decodes one name and its value, or moves past the value. */
static int add_next(struct decoder *names, struct decoder *values, PyObject *used, PyObject *bindings)
{
    char path[64];
    PyObject *name = decode_name(names), *value = NULL;
    int wanted = name == NULL ? -1 : PySet_Contains(used, name);
    int taken = wanted > 0 ? PyDict_Contains(bindings, name) : 0;
    int failed = wanted < 0 || taken < 0 ? -1 : 0;
    values->span.position = names->span.position;
    if (!failed && wanted && !taken) {
        snprintf(path, sizeof path, WHAT "[\"%s\"]", PyUnicode_AsUTF8AndSize(name, NULL));
        value = decode_term(values, path);
        failed = value == NULL ? -1 : PyDict_SetItem(bindings, name, value);
    } else if (!failed && term_skip(&values->span) != TERM_OK) {
        PyErr_SetString(errors_DecodeError, WHAT ": malformed term");
        failed = -1;
    }
    names->span.position = values->span.position;
    Py_XDECREF(value);
    Py_XDECREF(name);
    return failed;
}

/* Returns a new reference to a dict of the bindings and of what is captured. */
static PyObject *merge(const struct context *context, PyObject *used, PyObject *bindings)
{
    struct decoder names = decoder_of(context->options.captured, false);
    struct decoder values = decoder_of(context->options.captured, context->options.bytes);
    struct term_head map;
    PyObject *merged = bindings == NULL ? PyDict_New() : PyDict_Copy(bindings);
    names.request = values.request = &context->job->request;
    if (merged == NULL || term_read_head(&names.span, &map) != TERM_OK)
        return merged;
    for (size_t i = 0; merged != NULL && i < map.children / 2; i++)
        if (add_next(&names, &values, used, merged) < 0)
            Py_CLEAR(merged);
    return merged;
}

int captured_add(const struct context *context, PyObject *text, PyObject **bindings)
{
    if (context->options.captured.length == 0)
        return 0;
    PyObject *used = find_used_names(text);
    PyObject *merged = used == NULL ? NULL : merge(context, used, *bindings);
    Py_XDECREF(used);
    if (merged != NULL && PyDict_Size(merged) > 0)
        merged = bindings_check(merged, WHAT);
    if (merged == NULL)
        return -1;
    if (PyDict_Size(merged) == 0)
        Py_CLEAR(merged);
    Py_XDECREF(*bindings);
    *bindings = merged;
    return 0;
}
