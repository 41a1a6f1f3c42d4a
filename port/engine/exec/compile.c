/* Compiles each text once, and keeps the texts by their file name for tracebacks. */
#include "exec/compile.h"

#include <stdbool.h>

#include "exec/bindings.h"
#include "exec/cache.h"
#include "python/embedded.h"

#define MIB ((size_t)1024 * 1024)

/* The bounds of the caches; port/README.md lists them. */
#define BLOCKS_MAX 512           /* code objects, for values and for statements each */
#define BLOCKS_BYTES (8 * MIB)   /* of them and their texts */
#define BLOCK_LENGTH (MIB / 16)  /* longer texts, in characters, are compiled each time */
#define SOURCES_MAX 1024         /* texts for tracebacks */
#define SOURCES_BYTES (16 * MIB) /* of them */
#define SOURCE_BYTES (4 * MIB)   /* a larger text is not kept */

#define PLAIN_BLOCK 4 /* the elements of a block without bindings; others have their text as the last one */

static int forget_lines(PyObject *file);

static struct cache blocks_as_value = {.count_max = BLOCKS_MAX, .bytes_max = BLOCKS_BYTES}; /* by text */
static struct cache blocks_as_statements = {.count_max = BLOCKS_MAX, .bytes_max = BLOCKS_BYTES};
/* Blocks with bindings: one by the text, those of the same text for other names or for a file by make_key. */
static struct cache bound_as_value = {.count_max = BLOCKS_MAX, .bytes_max = BLOCKS_BYTES};
static struct cache bound_as_statements = {.count_max = BLOCKS_MAX, .bytes_max = BLOCKS_BYTES};
/* Texts by file name; sources.py reads the entries. */
static struct cache sources = {.count_max = SOURCES_MAX, .bytes_max = SOURCES_BYTES, .on_drop = forget_lines};
static PyObject *compile_block, *evaluate_block, *size_of_block, *tracebacks;
static PyObject *forget_function; /* of sources.py, once that is loaded */
static unsigned long long block_number;

int compile_start(void)
{
    PyObject *module = embedded_load("compile");
    if (module == NULL)
        return -1;
    compile_block = PyObject_GetAttrString(module, "compile_block");
    evaluate_block = PyObject_GetAttrString(module, "evaluate");
    size_of_block = PyObject_GetAttrString(module, "size_of_block");
    Py_DECREF(module);
    if (compile_block == NULL || evaluate_block == NULL || size_of_block == NULL)
        return -1;
    struct cache *const caches[] = {
        &blocks_as_value, &blocks_as_statements, &bound_as_value, &bound_as_statements, &sources, NULL};
    for (size_t i = 0; caches[i] != NULL; i++)
        if (cache_start(caches[i]) < 0)
            return -1;
    return 0;
}

PyObject *compile_tracebacks(void)
{
    if (tracebacks == NULL)
        tracebacks = embedded_load("tracebacks");
    return tracebacks;
}

PyObject *compile_sources_function(PyObject *self, PyObject *forget)
{
    (void)self;
    Py_SETREF(forget_function, Py_NewRef(forget));
    return Py_NewRef(sources.entries);
}

/* -- what is kept ------------------------------------------------------------------------------------------------- */

static int forget_lines(PyObject *file)
{
    PyObject *done =
        forget_function == NULL ? Py_NewRef(Py_None) : PyObject_CallFunctionObjArgs(forget_function, file, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int keep_source(PyObject *file, PyObject *text)
{
    size_t bytes = cache_size_of(text);
    return bytes > SOURCE_BYTES ? 0 : cache_put(&sources, file, text, bytes);
}

static int keep_block(struct cache *cache, PyObject *key, PyObject *text, PyObject *block)
{
    if ((size_t)PyUnicode_GetLength(text) > BLOCK_LENGTH)
        return 0;
    PyObject *size = PyObject_CallFunctionObjArgs(size_of_block, block, NULL);
    size_t bytes = size == NULL ? 0 : PyLong_AsSize_t(size);
    Py_XDECREF(size);
    return PyErr_Occurred() ? -1 : cache_put(cache, key, block, bytes + cache_size_of(text));
}

/* Borrowed, of a block with bindings. */
static PyObject *text_of_block(PyObject *block)
{
    return PyTuple_GetItem(block, PyTuple_Size(block) - 1);
}

/* Returns a new reference to a block that was compiled before; NULL, mostly with no error set, if there is none. Its
 * text may have been dropped since, so it is kept again. `text` is NULL for bound blocks, which hold it. */
static PyObject *find_block(const struct cache *cache, PyObject *key, PyObject *text)
{
    PyObject *block = Py_XNewRef(cache_get(cache, key));
    if (block == NULL)
        return NULL;
    PyObject *file = PyTuple_GetItem(block, 3), *kept = cache_get(&sources, file);
    if (text == NULL)
        text = text_of_block(block);
    /* Another text with the same file's name may be kept, if the client names the file. */
    bool is_kept = kept == text || (kept != NULL && PyTuple_Size(block) == PLAIN_BLOCK);
    if (!is_kept && (PyErr_Occurred() || keep_source(file, text) < 0))
        Py_CLEAR(block);
    return block;
}

/* -- compiling ---------------------------------------------------------------------------------------------------- */

static PyObject *compile_text(PyObject *text, PyObject *file, int keep_value, PyObject *bindings)
{
    if (keep_source(file, text) < 0)
        return NULL;
    if (bindings != NULL)
        return bindings_compile(text, file, keep_value, bindings);
    return PyObject_CallFunction(compile_block, "OOi", text, file, keep_value);
}

/* Compiles a text that is a part of a file of the client, from some line on. Its lines are kept in case the file does
 * not exist on this machine. */
static PyObject *compile_in_place(PyObject *text, const struct source_place *place, int keep_value, PyObject *bindings)
{
    PyObject *above = PyUnicode_FromString("\n");
    PyObject *lines = above == NULL ? NULL : PySequence_Repeat(above, place->line - 1);
    PyObject *padded = lines == NULL ? NULL : PyUnicode_Concat(lines, text);
    PyObject *block = padded == NULL ? NULL : compile_text(padded, place->file, keep_value, bindings);
    Py_XDECREF(padded);
    Py_XDECREF(lines);
    Py_XDECREF(above);
    return block;
}

static PyObject *compile_numbered(PyObject *text, int keep_value, PyObject *bindings)
{
    PyObject *file = PyUnicode_FromFormat("<eval %llu>", ++block_number);
    PyObject *block = file == NULL ? NULL : compile_text(text, file, keep_value, bindings);
    Py_XDECREF(file);
    return block;
}

/* Returns a new reference to what a block with bindings is kept by: text, file or None, line, and the names. */
static PyObject *make_key(PyObject *text, const struct source_place *place, PyObject *bindings)
{
    enum { BEFORE_NAMES = 3 };
    PyObject *key = PyTuple_New(BEFORE_NAMES + PyDict_Size(bindings));
    PyObject *line = key == NULL ? NULL : PyLong_FromLong(place->line), *name;
    if (line == NULL) {
        Py_XDECREF(key);
        return NULL;
    }
    (void)PyTuple_SetItem(key, 0, Py_NewRef(text));
    (void)PyTuple_SetItem(key, 1, Py_NewRef(place->file == NULL ? Py_None : place->file));
    (void)PyTuple_SetItem(key, 2, line);
    Py_ssize_t position = 0;
    for (Py_ssize_t i = BEFORE_NAMES; PyDict_Next(bindings, &position, &name, NULL); i++)
        (void)PyTuple_SetItem(key, i, Py_NewRef(name));
    return key;
}

/* Returns a new reference to a block for these bindings; NULL, mostly with no error set, if there is none. */
static PyObject *find_bound(const struct cache *cache, PyObject *key, PyObject *bindings)
{
    PyObject *block = find_block(cache, key, NULL);
    if (block != NULL && !bindings_fit(block, bindings))
        Py_CLEAR(block);
    return block;
}

static PyObject *compile_bound(PyObject *text, const struct source_place *place, int keep_value, PyObject *bindings,
                               PyObject *key)
{
    struct cache *cache = keep_value ? &bound_as_value : &bound_as_statements;
    PyObject *block = place->file != NULL ? compile_in_place(text, place, keep_value, bindings)
                                          : compile_numbered(text, keep_value, bindings);
    if (block == NULL)
        return NULL;
    if (place->file == NULL && cache_get(cache, text) == NULL)
        key = text;
    if (PyErr_Occurred() || keep_block(cache, key, text_of_block(block), block) < 0)
        Py_CLEAR(block);
    return block;
}

/* These blocks take longer to compile than others, so those that are a part of a file are kept as well. */
static PyObject *compile_with_bindings(PyObject *text, const struct source_place *place, int keep_value,
                                       PyObject *bindings)
{
    const struct cache *cache = keep_value ? &bound_as_value : &bound_as_statements;
    PyObject *block = place->file != NULL ? NULL : find_bound(cache, text, bindings);
    if (block != NULL || PyErr_Occurred())
        return block;
    PyObject *key = make_key(text, place, bindings);
    block = key == NULL ? NULL : find_bound(cache, key, bindings);
    if (block == NULL && !PyErr_Occurred())
        block = compile_bound(text, place, keep_value, bindings, key);
    Py_XDECREF(key);
    return block;
}

PyObject *compile_code(PyObject *text, const struct source_place *place, int keep_value, PyObject *bindings)
{
    if (bindings != NULL)
        return compile_with_bindings(text, place, keep_value, bindings);
    if (place->file != NULL)
        return compile_in_place(text, place, keep_value, NULL);
    struct cache *cache = keep_value ? &blocks_as_value : &blocks_as_statements;
    PyObject *block = find_block(cache, text, text);
    if (block != NULL || PyErr_Occurred())
        return block;
    block = compile_numbered(text, keep_value, NULL);
    if (block != NULL && keep_block(cache, text, text, block) < 0)
        Py_CLEAR(block);
    return block;
}

PyObject *compile_evaluate(PyObject *block, PyObject *globals, PyObject *bindings)
{
    if (bindings != NULL)
        return bindings_evaluate(block, bindings, globals);
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
