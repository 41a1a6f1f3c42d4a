/* Reads the map in one pass; the bindings are only skipped, as `binaries`, which decides how they are decoded, may come
 * after them. */
#include "exec/request_options.h"

#include <limits.h>
#include <stdio.h>

#include "codec/typed.h"
#include "python/errors.h"
#include "wire/protocol.h"
#include "wire/request.h"
#include "wire/term.h"

#define LINE_MAX_ACCEPTED 1000000
#define BATCH_MAX 65536

enum option {
#define OPTION(name) OPTION_##name,
    PROTOCOL_OPTIONS(OPTION)
#undef OPTION
};

static const char *const option_names[] = {
#define OPTION(name) [OPTION_##name] = #name,
    PROTOCOL_OPTIONS(OPTION)
#undef OPTION
};

#define OPTION_COUNT (sizeof option_names / sizeof *option_names)

static int refuse_option(const char *what)
{
    PyErr_SetString(errors_BadRequest, what);
    return -1;
}

static int refuse_term(const struct span *span, enum term_status status)
{
    PyErr_Format(errors_DecodeError, "options: %s", term_status_text(status));
    errors_note_byte(span->position);
    return -1;
}

static int find_option(const struct term_head *key, enum option *option)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (term_is_atom(key, option_names[i])) {
            *option = (enum option)i;
            return 0;
        }
    }
    if (key->kind != TERM_ATOM)
        return refuse_option("options: the keys are atoms");
    PyObject *name = PyUnicode_DecodeUTF8((const char *)key->data, (Py_ssize_t)key->length, "replace");
    if (name != NULL)
        PyErr_Format(errors_BadRequest, "options: unknown option %U", name);
    Py_XDECREF(name);
    return -1;
}

static int choose(const struct term_head *value, const char *no, const char *yes, const char *complaint, bool *chosen)
{
    if (!term_is_atom(value, no) && !term_is_atom(value, yes))
        return refuse_option(complaint);
    *chosen = term_is_atom(value, yes);
    return 0;
}

static int read_file(const struct term_head *value, struct source_place *place)
{
    if (value->kind != TERM_BINARY)
        return refuse_option("options: file is a binary");
    Py_XDECREF(place->file);
    place->file = PyUnicode_DecodeUTF8((const char *)value->data, (Py_ssize_t)value->length, NULL);
    if (place->file == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        return refuse_option("options: file is not UTF-8");
    }
    return place->file == NULL ? -1 : 0;
}

static int read_number(const struct term_head *value, long long least, long long most, const char *complaint,
                       size_t *number)
{
    long long given;
    if (!term_integer(value, &given) || given < least || given > most)
        return refuse_option(complaint);
    *number = (size_t)given;
    return 0;
}

/* Checks the form alone: the value was used when the request was read (request.h). */
static int check_timeout(const struct term_head *value)
{
    size_t milliseconds;
    return read_number(value, 0, REQUEST_TIMEOUT_MAX, "options: timeout is a number of milliseconds", &milliseconds);
}

static int read_line(const struct term_head *value, struct source_place *place)
{
    long long line;
    if (!term_integer(value, &line) || line < 1 || line > LINE_MAX_ACCEPTED)
        return refuse_option("options: line is an integer from 1 to 1000000");
    place->line = (long)line;
    return 0;
}

static int read_return(const struct term_head *value, struct request_options *options)
{
    if (term_is_atom(value, "value"))
        options->returns = RETURN_VALUE;
    else if (term_is_atom(value, "ref"))
        options->returns = RETURN_REF;
    else if (term_is_atom(value, "rich"))
        options->returns = RETURN_RICH;
    else
        return refuse_option("options: return is value, ref or rich");
    return 0;
}

/* Adds the next term of the span to the list. */
static int read_type_name(struct span *span, PyObject *names)
{
    struct term_head head;
    enum term_status status = term_read_head(span, &head);
    if (status != TERM_OK)
        return refuse_term(span, status);
    if (head.kind != TERM_BINARY)
        return refuse_option("options: types is a list of binaries");
    PyObject *name = PyUnicode_DecodeUTF8((const char *)head.data, (Py_ssize_t)head.length, "replace");
    int failed = name == NULL ? -1 : PyList_Append(names, name);
    Py_XDECREF(name);
    return failed;
}

/* Reads the items of the list, at the first of which the span stands. */
static int read_types(struct span *span, const struct term_head *list, struct request_options *options)
{
    Py_CLEAR(options->types);
    if (list->kind == TERM_NIL)
        return 0;
    if (list->kind != TERM_LIST)
        return refuse_option("options: types is a list of binaries");
    PyObject *names = PyList_New(0);
    int failed = names == NULL ? -1 : 0;
    for (size_t i = 0; failed == 0 && i + 1 < list->children; i++)
        failed = read_type_name(span, names);
    if (failed == 0)
        options->types = typed_types(names);
    Py_XDECREF(names);
    return options->types == NULL ? -1 : 0;
}

static int read_value(struct span *span, enum option option, struct request_options *options)
{
    struct span start = *span;
    struct term_head value;
    enum term_status status = term_read_head(&start, &value);
    size_t position = span->position;
    bool concurrent; /* like the timeout, it was used before */
    if (status == TERM_OK)
        status = term_skip(span);
    if (status != TERM_OK)
        return refuse_term(span, status);
    switch (option) {
    case OPTION_bindings:
        if (value.kind != TERM_MAP)
            return refuse_option("options: bindings is a map");
        options->bindings = (struct span){span->bytes, span->position, position};
        return 0;
    case OPTION_captured:
        if (value.kind != TERM_MAP)
            return refuse_option("options: captured is a map");
        options->captured = (struct span){span->bytes, span->position, position};
        return 0;
    case OPTION_file:
        return read_file(&value, &options->place);
    case OPTION_line:
        return read_line(&value, &options->place);
    case OPTION_segments:
        return read_number(&value, 1, LLONG_MAX,
                           "options: segments is a number of bytes, from which on results go through "
                           "shared memory",
                           &options->segments);
    case OPTION_max_result:
        return read_number(&value, 1, LLONG_MAX, "options: max_result is a number of bytes", &options->max_result);
    case OPTION_segment_ids:
        options->segment_ids = true;
        return read_number(&value, 1, LLONG_MAX, "options: segment_ids is a number of bytes, as segments is",
                           &options->segments);
    case OPTION_batch:
        return read_number(&value, 1, BATCH_MAX, "options: batch is a number of items, at most 65536", &options->batch);
    case OPTION_timeout:
        return check_timeout(&value);
    case OPTION_concurrent:
        return choose(&value, "false", "true", "options: concurrent is true or false", &concurrent);
    case OPTION_timing:
        return choose(&value, "false", "true", "options: timing is true or false", &options->timing);
    case OPTION_return:
        return read_return(&value, options);
    case OPTION_types:
        return read_types(&start, &value, options);
    case OPTION_binaries:
        return choose(&value, "str", "bytes", "options: binaries is str or bytes", &options->bytes);
    }
    return 0;
}

int request_options_read(struct span *span, struct request_options *options)
{
    struct term_head map, key;
    enum option option = OPTION_bindings;
    enum term_status status = term_read_head(span, &map);
    if (status != TERM_OK)
        return refuse_term(span, status);
    if (map.kind != TERM_MAP)
        return refuse_option("options: expected a map");
    for (size_t i = 0; i < map.children / 2; i++) {
        status = term_read_head(span, &key);
        if (status != TERM_OK)
            return refuse_term(span, status);
        if (find_option(&key, &option) < 0 || read_value(span, option, options) < 0)
            return -1;
    }
    return 0;
}

void request_options_free(struct request_options *options)
{
    Py_CLEAR(options->place.file);
    Py_CLEAR(options->types);
}
