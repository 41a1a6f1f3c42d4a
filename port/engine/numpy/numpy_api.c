/* Imports NumPy's C API, and makes arrays that lie in our buffers. */
#include "numpy/numpy_api.h"

#include "numpy/numpy_abi.h"

_Static_assert(sizeof(intptr_t) == sizeof(Py_ssize_t), "a shape is handed over as it is");

void **numpy_abi_table;

/* Returns a new reference to the capsule that holds the table, or NULL. NumPy 2 has renamed the module's package. */
static PyObject *find_capsule(void)
{
    PyObject *module = PyImport_ImportModule("numpy._core._multiarray_umath");
    if (module == NULL && PyErr_ExceptionMatches(PyExc_ImportError)) {
        PyErr_Clear();
        module = PyImport_ImportModule("numpy.core._multiarray_umath");
    }
    PyObject *capsule = module == NULL ? NULL : PyObject_GetAttrString(module, "_ARRAY_API");
    Py_XDECREF(module);
    return capsule;
}

static unsigned version_at(void **table, enum numpy_place place)
{
    return ((numpy_get_version *)table[place])();
}

/* The module is never freed, and the table is a constant of it. */
static void **find_table(void)
{
    PyObject *capsule = find_capsule();
    void **table = capsule == NULL ? NULL : PyCapsule_GetPointer(capsule, NULL);
    Py_XDECREF(capsule);
    PyErr_Clear();
    bool is_known = table != NULL && version_at(table, NUMPY_GET_ABI_VERSION) <= NUMPY_ABI_NEWEST &&
                    version_at(table, NUMPY_GET_FEATURE_VERSION) >= NUMPY_FEATURES_OLDEST;
    return is_known ? table : NULL;
}

bool numpy_api_load(void)
{
    static bool is_searched;
    if (!is_searched) {
        numpy_abi_table = find_table();
        is_searched = true;
    }
    return numpy_abi_table != NULL;
}

PyObject *numpy_api_array(PyObject *dtype, int rank, const Py_ssize_t *shape, void *bytes, PyObject *owner)
{
    PyTypeObject *type = numpy_abi_table[NUMPY_ARRAY_TYPE];
    numpy_new_from_descr *new_from_descr = (numpy_new_from_descr *)numpy_abi_table[NUMPY_NEW_FROM_DESCR];
    numpy_set_base_object *set_base = (numpy_set_base_object *)numpy_abi_table[NUMPY_SET_BASE_OBJECT];
    PyObject *array = new_from_descr(type, Py_NewRef(dtype), rank, shape, NULL, bytes,
                                     NUMPY_C_CONTIGUOUS | NUMPY_ALIGNED | NUMPY_WRITEABLE, NULL);
    if (array != NULL && set_base(array, Py_NewRef(owner)) < 0)
        Py_CLEAR(array);
    return array;
}
