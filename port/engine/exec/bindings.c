/* Runs bound code as the body of a function: each binding is a cell, which is a free variable of the code. */
#include "exec/bindings.h"

#include "exec/bound_locals.h"
#include "python/embedded.h"
#include "python/errors.h"

/* The elements of a block that compile_bound returns; the others are those of exec/compile.h. */
enum { BLOCK_BODY = 0, BLOCK_NAMES = 4, BLOCK_HIDDEN = 5 };

/* Attributes of bound_code.py and bound_names.py, once a request had bindings. */
static PyObject *compile_bound, *normalized, *reserved_names, *Names, *Cell;
static newfunc new_cell;

static bool load_attribute(PyObject **place, PyObject *module, const char *name)
{
    Py_SETREF(*place, module == NULL ? NULL : PyObject_GetAttrString(module, name));
    return *place != NULL;
}

/* Returns 0, or -1 with an error set; the next call tries it again. */
static int load(void)
{
    if (new_cell != NULL)
        return 0;
    PyObject *code = embedded_load("bound_code"), *names = embedded_load("bound_names");
    bool loaded = code != NULL && names != NULL && load_attribute(&compile_bound, code, "compile_bound") &&
                  load_attribute(&normalized, code, "normalized") &&
                  load_attribute(&reserved_names, code, "reserved_names") && load_attribute(&Names, names, "Names") &&
                  load_attribute(&Cell, names, "Cell") && bound_locals_start(Names) == 0;
    if (loaded)
        new_cell = (newfunc)PyType_GetSlot((PyTypeObject *)Cell, Py_tp_new);
    Py_XDECREF(code);
    Py_XDECREF(names);
    return loaded ? 0 : -1;
}

/* -- names -------------------------------------------------------------------------------------------------------- */

static int check_name(PyObject *name, const char *what)
{
    if (!PyUnicode_Check(name) || PyUnicode_IsIdentifier(name) != 1) {
        PyErr_Format(errors_BadRequest, "%s: %R is no Python name", what, name);
        return -1;
    }
    int reserved = PySet_Contains(reserved_names, name);
    if (reserved > 0)
        PyErr_Format(errors_BadRequest, "%s: %R is a word of Python's own, and no name that can be set", what, name);
    return reserved == 0 ? 0 : -1;
}

/* Atoms are not plain, and what is no ASCII may have another normal form. */
static bool is_plain(PyObject *name)
{
    Py_ssize_t bytes;
    return PyUnicode_CheckExact(name) && PyUnicode_AsUTF8AndSize(name, &bytes) != NULL &&
           bytes == PyUnicode_GetLength(name);
}

static PyObject *normalize(PyObject *bindings, const char *what)
{
    PyObject *found = PyObject_CallFunctionObjArgs(normalized, bindings, NULL);
    if (found != NULL && PyUnicode_Check(found)) {
        PyErr_Format(errors_BadRequest, "%s: the name %R is given twice", what, found);
        Py_CLEAR(found);
    }
    return found;
}

PyObject *bindings_check(PyObject *bindings, const char *what)
{
    int failed = load();
    bool plain = true;
    Py_ssize_t position = 0;
    PyObject *name;
    while (!failed && PyDict_Next(bindings, &position, &name, NULL)) {
        failed = check_name(name, what);
        plain = plain && !failed && is_plain(name);
    }
    if (failed)
        Py_CLEAR(bindings);
    else if (!plain)
        Py_SETREF(bindings, normalize(bindings, what));
    return bindings;
}

/* -- code --------------------------------------------------------------------------------------------------------- */

PyObject *bindings_compile(PyObject *text, PyObject *file, int keep_value, PyObject *bindings)
{
    PyObject *keys = PyDict_Keys(bindings);
    PyObject *names = keys == NULL ? NULL : PyList_AsTuple(keys);
    PyObject *block =
        names == NULL ? NULL : PyObject_CallFunction(compile_bound, "OOiO", text, file, keep_value, names);
    Py_XDECREF(names);
    Py_XDECREF(keys);
    return block;
}

bool bindings_fit(PyObject *block, PyObject *bindings)
{
    PyObject *names = PyTuple_GetItem(block, BLOCK_NAMES);
    Py_ssize_t count = PyTuple_Size(names);
    bool fit = count == PyDict_Size(bindings);
    for (Py_ssize_t i = 0; fit && i < count; i++)
        fit = PyDict_GetItemWithError(bindings, PyTuple_GetItem(names, i)) != NULL;
    return fit;
}

/* Returns a new reference to a tuple with a cell for the value of each name. */
static PyObject *make_cells(PyObject *names, PyObject *bindings)
{
    Py_ssize_t count = PyTuple_Size(names);
    PyObject *cells = PyTuple_New(count), *arguments = PyTuple_New(1);
    for (Py_ssize_t i = 0; cells != NULL && arguments != NULL && i < count; i++) {
        PyObject *value = PyDict_GetItemWithError(bindings, PyTuple_GetItem(names, i)), *cell = NULL;
        if (value != NULL && PyTuple_SetItem(arguments, 0, Py_NewRef(value)) == 0)
            cell = new_cell((PyTypeObject *)Cell, arguments, NULL);
        if (cell == NULL || PyTuple_SetItem(cells, i, cell) < 0)
            Py_CLEAR(cells);
    }
    if (arguments == NULL)
        Py_CLEAR(cells);
    Py_XDECREF(arguments);
    return cells;
}

PyObject *bindings_evaluate(PyObject *block, PyObject *bindings, PyObject *globals)
{
    PyObject *names = PyTuple_GetItem(block, BLOCK_NAMES), *cells = make_cells(names, bindings);
    PyObject *locals =
        cells == NULL ? NULL : bound_locals_new(names, cells, globals, PyTuple_GetItem(block, BLOCK_HIDDEN));
    PyObject *value = NULL;
    if (locals != NULL)
        value = PyEval_EvalCodeEx(PyTuple_GetItem(block, BLOCK_BODY), globals, locals, NULL, 0, NULL, 0, NULL, 0, NULL,
                                  cells);
    Py_XDECREF(locals);
    Py_XDECREF(cells);
    return value;
}
