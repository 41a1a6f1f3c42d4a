/* Reads the names of types through attributes, which a metaclass may compute. */
#include "python/type_name.h"

PyObject *type_name_of(PyObject *object, const char *implied)
{
    PyObject *type = (PyObject *)Py_TYPE(object);
    PyObject *module = PyObject_GetAttrString(type, "__module__");
    PyObject *name = module == NULL ? NULL : PyObject_GetAttrString(type, "__qualname__");
    PyObject *whole = NULL;
    if (name != NULL)
        whole = implied != NULL && PyUnicode_Check(module) && PyUnicode_CompareWithASCIIString(module, implied) == 0
                    ? Py_NewRef(name)
                    : PyUnicode_FromFormat("%S.%S", module, name);
    Py_XDECREF(module);
    Py_XDECREF(name);
    return whole;
}
