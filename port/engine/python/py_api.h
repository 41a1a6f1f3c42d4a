/* Includes Python's API for the whole engine: the stable ABI of CPython 3.11 (PEP 384), so that one build serves every
 * later version. The build defines Py_LIMITED_API. */
#ifndef PYTHONX_PY_API_H
#define PYTHONX_PY_API_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifndef Py_LIMITED_API
#    error "the engine is built against the stable ABI: define Py_LIMITED_API"
#endif

/* As in CPython outside of the stable ABI: the old reference is dropped last, because that may run code. */
#ifndef Py_SETREF
#    define Py_SETREF(place, object)                                                                                   \
        do {                                                                                                           \
            PyObject *old_reference_ = (PyObject *)(place);                                                            \
            (place) = (object);                                                                                        \
            Py_XDECREF(old_reference_);                                                                                \
        } while (0)
#endif

#endif
