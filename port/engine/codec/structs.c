/* Calls structs.py, which is loaded when the first value needs it. */
#include "codec/structs.h"

#include "python/embedded.h"
#include "python/errors.h"
#include "python/type_name.h"

static PyObject *module;
static long client_mapset_version;
static PyObject *builders, *simplifier;
static PyObject *found; /* the dict `found` of structs.py */

int structs_start(long mapset_version)
{
    client_mapset_version = mapset_version;
    return 0;
}

static int load(void)
{
    if (module != NULL)
        return 0;
    PyObject *loaded = embedded_load("structs");
    if (loaded == NULL)
        return -1;
    if (client_mapset_version >= 0) {
        PyObject *version = PyLong_FromLong(client_mapset_version);
        int failed = version == NULL ? -1 : PyObject_SetAttrString(loaded, "mapset_version", version);
        Py_XDECREF(version);
        if (failed)
            goto failed;
    }
    builders = PyObject_GetAttrString(loaded, "builders");
    simplifier = PyObject_GetAttrString(loaded, "simplifier");
    found = PyObject_GetAttrString(loaded, "found");
    if (builders == NULL || simplifier == NULL || found == NULL)
        goto failed;
    module = loaded;
    return 0;

failed:
    Py_CLEAR(builders);
    Py_CLEAR(simplifier);
    Py_CLEAR(found);
    Py_DECREF(loaded);
    return -1;
}

void structs_stop(void)
{
    PyObject *none = module == NULL ? NULL : PyDict_New();
    PyObject *encoders = none == NULL ? NULL : PyObject_GetAttrString(module, "registered");
    /* The encoders that were used are among what was found, too. */
    if (encoders != NULL && embedded_hand_over("encoders", encoders) == 0 &&
        PyObject_SetAttrString(module, "registered", none) == 0)
        PyDict_Clear(found);
    PyErr_Clear();
    Py_XDECREF(encoders);
    Py_XDECREF(none);
}

PyObject *structs_register_encoder(PyObject *self, PyObject *arguments)
{
    (void)self;
    if (load() < 0)
        return NULL;
    PyObject *function = PyObject_GetAttrString(module, "register_encoder");
    PyObject *done = function == NULL ? NULL : PyObject_CallObject(function, arguments);
    Py_XDECREF(function);
    return done;
}

PyObject *structs_build(PyObject *dict, PyObject *struct_key, int hashable)
{
    if (load() < 0)
        return NULL;
    PyObject *name = PyDict_GetItemWithError(dict, struct_key);
    /* A new reference: some builders put another one into their place. */
    PyObject *builder = name == NULL ? NULL : Py_XNewRef(PyDict_GetItemWithError(builders, name));
    if (builder == NULL)
        return PyErr_Occurred() ? NULL : Py_NewRef(dict);
    PyObject *object = PyObject_CallFunctionObjArgs(builder, dict, NULL);
    Py_DECREF(builder);
    if (object != NULL && hashable && PySet_Check(object))
        Py_SETREF(object, PyFrozenSet_New(object));
    return object;
}

/* Returns NULL with an EncodeError set. */
static PyObject *fail_no_form(PyObject *object)
{
    PyObject *name = type_name_of(object, NULL);
    if (name != NULL)
        PyErr_Format(
            errors_EncodeError,
            "%U has no Erlang term (the option return, set to ref, keeps it in Python; erlang.register_encoder "
            "gives it one)",
            name);
    Py_XDECREF(name);
    return NULL;
}

/* Returns a new reference to the simplifier of the type. */
static PyObject *find_simplifier(PyTypeObject *type)
{
    PyObject *address = PyLong_FromVoidPtr(type);
    PyObject *function = address == NULL ? NULL : Py_XNewRef(PyDict_GetItemWithError(found, address));
    Py_XDECREF(address);
    if (function != NULL || PyErr_Occurred())
        return function;
    return PyObject_CallFunctionObjArgs(simplifier, (PyObject *)type, NULL);
}

/* Returns a new reference to what the function returns; NULL with an EncodeError if that is of the same type. */
static PyObject *simplify_by(PyObject *function, PyObject *object)
{
    PyObject *simple = PyObject_CallFunctionObjArgs(function, object, NULL);
    if (simple != NULL && Py_TYPE(simple) == Py_TYPE(object)) {
        Py_CLEAR(simple);
        fail_no_form(object);
    }
    return simple;
}

static PyObject *simplify_by_attribute(PyObject *name, PyObject *object)
{
    PyObject *function = PyObject_GetAttr((PyObject *)Py_TYPE(object), name);
    PyObject *simple = function == NULL ? NULL : simplify_by(function, object);
    Py_XDECREF(function);
    return simple;
}

PyObject *structs_simplify(PyObject *object, PyTypeObject **as_base)
{
    *as_base = NULL;
    if (load() < 0)
        return NULL;
    PyObject *function = find_simplifier(Py_TYPE(object));
    if (function == NULL)
        return NULL;
    PyObject *simple = NULL;
    if (Py_IsNone(function)) {
        fail_no_form(object);
    } else if (PyUnicode_Check(function)) {
        simple = simplify_by_attribute(function, object);
    } else if (PyType_Check(function) && (function != (PyObject *)&PyUnicode_Type || PyUnicode_Check(object))) {
        *as_base = (PyTypeObject *)function; /* a built-in type: it lives as long as Python */
        simple = Py_NewRef(object);
    } else {
        simple = simplify_by(function, object);
    }
    Py_DECREF(function);
    return simple;
}
