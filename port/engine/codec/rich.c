/* Calls rich.py, which is loaded for the first request that asks for it. */
#include "codec/rich.h"

#include "python/embedded.h"

PyObject *rich_describe(PyObject *object)
{
    PyObject *module = embedded_load("rich");
    PyObject *shown = module == NULL ? NULL : PyObject_CallMethod(module, "describe", "(O)", object);
    Py_XDECREF(module);
    return shown;
}
