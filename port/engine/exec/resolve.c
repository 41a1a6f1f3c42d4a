/* Resolves targets at each call, without a cache: a session may bind its names again. */
#include "exec/resolve.h"

#include "python/errors.h"

static PyObject *find_first_part(PyObject *name, PyObject *bindings, PyObject *globals)
{
    PyObject *found = bindings == NULL ? NULL : PyDict_GetItemWithError(bindings, name);
    if (found == NULL && !PyErr_Occurred())
        found = PyDict_GetItemWithError(globals, name);
    if (found != NULL || PyErr_Occurred())
        return Py_XNewRef(found);
    PyObject *builtins = PyDict_GetItemString(globals, "__builtins__");
    if (builtins != NULL && PyModule_Check(builtins))
        builtins = PyModule_GetDict(builtins);
    if (builtins != NULL && PyDict_Check(builtins))
        found = PyDict_GetItemWithError(builtins, name);
    return Py_XNewRef(found);
}

/* A submodule that was not imported yet is no attribute of its package. */
static PyObject *import_part(PyObject *whole_name, PyObject *original)
{
    PyObject *module = PyImport_Import(whole_name);
    if (module == NULL && PyErr_ExceptionMatches(PyExc_ModuleNotFoundError) && original != NULL) {
        PyErr_Clear();
        errors_set(Py_NewRef(original));
        return NULL;
    }
    Py_XDECREF(module);
    /* PyImport_Import returns the first module of a dotted name; the last one is in sys.modules. */
    return module == NULL ? NULL : PyImport_GetModule(whole_name);
}

static PyObject *find_next_part(PyObject *object, PyObject *name, PyObject *whole_name)
{
    PyObject *attribute = PyObject_GetAttr(object, name);
    if (attribute != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError) || !PyModule_Check(object))
        return attribute;
    PyObject *original = errors_take();
    PyObject *module = import_part(whole_name, original);
    Py_XDECREF(original);
    return module;
}

static PyObject *resolve_start(PyObject *name, PyObject *bindings, PyObject *globals, Py_ssize_t parts)
{
    PyObject *object = find_first_part(name, bindings, globals);
    if (object != NULL || PyErr_Occurred())
        return object;
    if (parts > 1)
        return import_part(name, NULL);
    PyErr_Format(PyExc_NameError, "name '%U' is not defined", name);
    return NULL;
}

static PyObject *resolve_name(PyObject *name, PyObject *bindings, PyObject *globals)
{
    PyObject *dot = PyUnicode_FromString("."), *object = NULL, *so_far = NULL;
    PyObject *parts = dot == NULL ? NULL : PyUnicode_Split(name, dot, -1);
    Py_ssize_t count = parts == NULL ? 0 : PyList_Size(parts);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *part = PyList_GetItem(parts, i);
        if (i == 0) {
            so_far = Py_NewRef(part);
            object = resolve_start(part, bindings, globals, count);
        } else {
            Py_SETREF(so_far, PyUnicode_FromFormat("%U.%U", so_far, part));
            PyObject *next = so_far == NULL ? NULL : find_next_part(object, part, so_far);
            Py_SETREF(object, next);
        }
        if (object == NULL)
            break;
    }
    Py_XDECREF(so_far);
    Py_XDECREF(parts);
    Py_XDECREF(dot);
    return object;
}

PyObject *resolve_target(PyObject *target, PyObject *bindings, PyObject *globals)
{
    if (!PyUnicode_Check(target))
        return Py_NewRef(target);
    /* An Atom is looked up as the plain str that it equals. */
    PyObject *name = PyUnicode_FromObject(target);
    PyObject *object = NULL;
    if (name != NULL && PyUnicode_FindChar(name, '.', 0, PyUnicode_GetLength(name), 1) == -1)
        object = resolve_start(name, bindings, globals, 1);
    else if (name != NULL)
        object = resolve_name(name, bindings, globals);
    Py_XDECREF(name);
    return object;
}
