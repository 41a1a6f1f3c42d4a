/* The only file that sees NumPy's headers. Built against NumPy 2 it serves NumPy 1.22 and later at run time, built
 * against NumPy 1 it serves 1.x (https://numpy.org/doc/stable/dev/depending_on_numpy.html). */
#include "numpy_api.h"

#ifdef PYTHONX_WITH_NUMPY

#    define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#    define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#    include <numpy/arrayobject.h>

bool numpy_api_load(void)
{
    static enum { UNKNOWN, THERE, ABSENT } state;
    if (state == UNKNOWN) {
        state = _import_array() == 0 ? THERE : ABSENT;
        PyErr_Clear();
    }
    return state == THERE;
}

_Static_assert(sizeof(npy_intp) == sizeof(Py_ssize_t), "a shape is handed over as it is");

PyObject *numpy_api_array(PyObject *dtype, int rank, const Py_ssize_t *shape, void *bytes, PyObject *owner)
{
    /* PyArray_NewFromDescr steals the reference to the dtype, PyArray_SetBaseObject that to the owner. */
    PyObject *array = PyArray_NewFromDescr(&PyArray_Type, (PyArray_Descr *)Py_NewRef(dtype), rank, shape, NULL, bytes,
                                           NPY_ARRAY_CARRAY, NULL);
    if (array != NULL && PyArray_SetBaseObject((PyArrayObject *)array, Py_NewRef(owner)) < 0)
        Py_CLEAR(array);
    return array;
}

#else

bool numpy_api_load(void)
{
    return false;
}

PyObject *numpy_api_array(PyObject *dtype, int rank, const Py_ssize_t *shape, void *bytes, PyObject *owner)
{
    (void)dtype, (void)rank, (void)shape, (void)bytes, (void)owner;
    PyErr_SetString(PyExc_SystemError, "built without NumPy's headers");
    return NULL;
}

#endif
