/* A dict from number to object. */
#include "refs.h"

#include "types.h"

static PyObject *kept;
static unsigned long long last_number;

int refs_start(void)
{
    kept = PyDict_New();
    return kept == NULL ? -1 : 0;
}

unsigned long long refs_keep(PyObject *object)
{
    PyObject *number = PyLong_FromUnsignedLongLong(last_number + 1);
    if (number == NULL)
        return 0;
    int failed = PyDict_SetItem(kept, number, object);
    Py_DECREF(number);
    return failed ? 0 : ++last_number;
}

PyObject *refs_get(PyObject *number)
{
    PyObject *object = PyDict_GetItemWithError(kept, number);
    if (object == NULL && !PyErr_Occurred())
        PyErr_Format(types_DecodeError,
                     "there is no object under reference %S: it was released, or belongs to another session", number);
    return Py_XNewRef(object);
}

void refs_drop(PyObject *number)
{
    if (PyDict_DelItem(kept, number) < 0)
        PyErr_Clear();
}
