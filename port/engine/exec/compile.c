/* Two caches, oldest entry out first: compiled blocks by their text, and texts by their file name for tracebacks. */
#include "exec/compile.h"

#include "python/embedded.h"

#define CACHED_BLOCKS 512
#define CACHED_LENGTH ((Py_ssize_t)64 * 1024) /* longer texts are compiled each time */
#define KEPT_SOURCES 1024
#define KEPT_LENGTH ((Py_ssize_t)1024 * 1024)

static PyObject *blocks_as_value, *blocks_as_statements; /* text to (body, expression) */
static PyObject *sources;                                /* file name to text; shared with traces.py */
static PyObject *compile_block, *evaluate_block, *traces;
static unsigned long long block_number;

int compile_start(void)
{
    PyObject *blocks = embedded_load("compile");
    if (blocks == NULL)
        return -1;
    compile_block = PyObject_GetAttrString(blocks, "compile_block");
    evaluate_block = PyObject_GetAttrString(blocks, "evaluate");
    Py_DECREF(blocks);
    blocks_as_value = PyDict_New();
    blocks_as_statements = PyDict_New();
    sources = PyDict_New();
    return compile_block && evaluate_block && blocks_as_value && blocks_as_statements && sources ? 0 : -1;
}

PyObject *compile_tracebacks(void)
{
    if (traces != NULL)
        return traces;
    PyObject *loaded = embedded_load("tracebacks");
    if (loaded == NULL)
        return NULL;
    if (PyObject_SetAttrString(loaded, "sources", sources) < 0) {
        Py_DECREF(loaded);
        return NULL;
    }
    return traces = loaded;
}

/* Makes room for one more; the first key of a dict is its oldest. */
static int drop_oldest(PyObject *dict, Py_ssize_t bound, PyObject **dropped)
{
    Py_ssize_t position = 0;
    PyObject *oldest;
    if (PyDict_Size(dict) < bound || !PyDict_Next(dict, &position, &oldest, NULL))
        return 0;
    Py_INCREF(oldest);
    int failed = PyDict_DelItem(dict, oldest);
    if (dropped != NULL)
        *dropped = Py_NewRef(oldest);
    Py_DECREF(oldest);
    return failed;
}

static int keep_source(PyObject *file, PyObject *text)
{
    PyObject *dropped = NULL;
    if (PyUnicode_GetLength(text) > KEPT_LENGTH)
        return 0;
    int failed = drop_oldest(sources, KEPT_SOURCES, &dropped);
    if (!failed && dropped != NULL && traces != NULL) {
        PyObject *done = PyObject_CallMethod(traces, "forget", "O", dropped);
        failed = done == NULL ? -1 : 0;
        Py_XDECREF(done);
    }
    Py_XDECREF(dropped);
    return failed ? -1 : PyDict_SetItem(sources, file, text);
}

static PyObject *compile_text(PyObject *text, PyObject *file, int keep_value)
{
    return PyObject_CallFunction(compile_block, "OOi", text, file, keep_value);
}

/* The text stands in somebody's file, from some line on. Its lines are kept for the case that the file is not here. */
static PyObject *compile_in_place(PyObject *text, const struct source_place *place, int keep_value)
{
    PyObject *above = PyUnicode_FromString("\n");
    PyObject *lines = above == NULL ? NULL : PySequence_Repeat(above, place->line - 1);
    PyObject *padded = lines == NULL ? NULL : PyUnicode_Concat(lines, text);
    PyObject *block = NULL;
    if (padded != NULL && keep_source(place->file, padded) == 0)
        block = compile_text(padded, place->file, keep_value);
    Py_XDECREF(padded);
    Py_XDECREF(lines);
    Py_XDECREF(above);
    return block;
}

PyObject *compile_code(PyObject *text, const struct source_place *place, int keep_value)
{
    if (place->file != NULL)
        return compile_in_place(text, place, keep_value);
    PyObject *cache = keep_value ? blocks_as_value : blocks_as_statements;
    PyObject *known = PyDict_GetItemWithError(cache, text);
    if (known != NULL || PyErr_Occurred())
        return Py_XNewRef(known);
    PyObject *file = PyUnicode_FromFormat("<eval %llu>", ++block_number);
    if (file == NULL)
        return NULL;
    PyObject *block = NULL;
    if (keep_source(file, text) == 0)
        block = compile_text(text, file, keep_value);
    Py_DECREF(file);
    if (block == NULL || PyUnicode_GetLength(text) > CACHED_LENGTH)
        return block;
    if (drop_oldest(cache, CACHED_BLOCKS, NULL) < 0 || PyDict_SetItem(cache, text, block) < 0)
        Py_CLEAR(block);
    return block;
}

PyObject *compile_evaluate(PyObject *block, PyObject *globals)
{
    PyObject *body = PyTuple_GetItem(block, 0), *expression = PyTuple_GetItem(block, 1);
    if (Py_IsTrue(PyTuple_GetItem(block, 2)))
        return PyObject_CallFunctionObjArgs(evaluate_block, body, expression, globals, NULL);
    PyObject *value = Py_NewRef(Py_None);
    if (!Py_IsNone(body))
        Py_SETREF(value, PyEval_EvalCode(body, globals, globals));
    if (value != NULL && !Py_IsNone(expression))
        Py_SETREF(value, PyEval_EvalCode(expression, globals, globals));
    return value;
}
