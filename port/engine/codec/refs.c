/* Keeps objects in a dict by their numbers. */
#include "codec/refs.h"

#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

#include "python/embedded.h"
#include "python/errors.h"

static PyObject *kept;
static unsigned long long last_number;
static atomic_size_t kept_count; /* the size of `kept`, for threads without the GIL */

/* The first number is random, so that a reference of another session is not found here. */
int refs_start(void)
{
    uint32_t start = 0;
    if (getentropy(&start, sizeof start) != 0)
        start = (uint32_t)getpid();
    last_number = (unsigned long long)start << 16;
    kept = PyDict_New();
    return kept == NULL ? -1 : 0;
}

void refs_stop(void)
{
    PyObject *none = PyDict_New();
    if (none != NULL && embedded_hand_over("references", kept) == 0)
        Py_SETREF(kept, Py_NewRef(none));
    PyErr_Clear();
    Py_XDECREF(none);
}

static void count_kept(void)
{
    atomic_store(&kept_count, (size_t)PyDict_Size(kept));
}

size_t refs_count(void)
{
    return atomic_load(&kept_count);
}

unsigned long long refs_keep(PyObject *object)
{
    PyObject *number = PyLong_FromUnsignedLongLong(last_number + 1);
    if (number == NULL)
        return 0;
    int failed = PyDict_SetItem(kept, number, object);
    Py_DECREF(number);
    count_kept();
    return failed ? 0 : ++last_number;
}

PyObject *refs_get(PyObject *number)
{
    PyObject *object = PyDict_GetItemWithError(kept, number);
    if (object == NULL && !PyErr_Occurred())
        PyErr_Format(errors_DecodeError,
                     "there is no object under reference %S: it was released, or belongs to another session", number);
    return Py_XNewRef(object);
}

/* Returns the number of an item, borrowed; NULL if the item is no reference. */
static PyObject *number_of(PyObject *item)
{
    PyObject *number = item;
    if (PyTuple_CheckExact(item) && PyTuple_Size(item) == 2)
        number = PyTuple_GetItem(item, 1);
    else if (PyDict_CheckExact(item))
        number = PyDict_GetItemString(item, "ref");
    return number != NULL && PyLong_CheckExact(number) ? number : NULL;
}

int refs_release(PyObject *list)
{
    if (!PyList_CheckExact(list))
        return -1;
    Py_ssize_t length = PyList_Size(list);
    for (Py_ssize_t i = 0; i < length; i++)
        if (number_of(PyList_GetItem(list, i)) == NULL)
            return -1;
    for (Py_ssize_t i = 0; i < length; i++)
        if (PyDict_DelItem(kept, number_of(PyList_GetItem(list, i))) < 0)
            PyErr_Clear();
    count_kept();
    return 0;
}
