/* Imports NumPy's C API, and makes arrays that lie in our buffers. */
#include "numpy/numpy_api.h"

#ifdef PYTHONX_WITH_NUMPY

#    define NUMPY_HEADERS_IMPORT
#    include "numpy/numpy_headers.h"

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
