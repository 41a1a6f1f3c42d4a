/* Starts the same parts as engine.c, in the same order, without descriptors, threads or signals. */
#include "python_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "codec/decode.h"
#include "codec/encode.h"
#include "codec/refs.h"
#include "codec/structs.h"
#include "erlang_module.h"
#include "exec/compile.h"
#include "python/buffer.h"

#ifdef __SANITIZE_ADDRESS__
/* Checking for leaks takes long in a process with Python in it, and finds little: memory that Python keeps is no leak.
 * Sessions are checked when they end. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void)
{
    return Py_IsInitialized();
}
#endif

static PyObject *names;

/* The names that the tests' expressions use. `alike` is == that distinguishes 1, 1.0 and True. */
static const char prelude[] =
    "import collections, dataclasses, datetime, decimal, enum, erlang, math, os, pathlib, sys, uuid, zoneinfo\n"
    "from dataclasses import dataclass\n"
    "from datetime import date, time, timedelta, timezone\n"
    "from decimal import Decimal\n"
    "from erlang import Atom\n"
    "from zoneinfo import ZoneInfo\n"
    "\n"
    "def alike(a, b):\n"
    "    if type(a) is not type(b):\n"
    "        return False\n"
    "    if isinstance(a, (list, tuple)):\n"
    "        return len(a) == len(b) and all(map(alike, a, b))\n"
    "    if isinstance(a, dict):\n"
    "        return len(a) == len(b) and alike(sorted_pairs(a), sorted_pairs(b))\n"
    "    if isinstance(a, (set, frozenset)):\n"
    "        return alike(sorted(a, key=repr), sorted(b, key=repr))\n"
    "    if isinstance(a, datetime.datetime):\n"
    "        return repr(a) == repr(b) and a.fold == b.fold\n"
    "    if isinstance(a, int):\n"
    "        return a == b\n"
    "    return repr(a) == repr(b)\n"
    "\n"
    "def sorted_pairs(a):\n"
    "    return sorted(a.items(), key=lambda pair: repr(pair[0]))\n";

static void start_interpreter(void)
{
    ck_assert_int_eq(erlang_module_announce(), 0);
    Py_InitializeEx(0);
    PyObject *erlang = PyImport_ImportModule("erlang");
    ck_assert_ptr_nonnull(erlang);
    Py_DECREF(erlang);
    ck_assert(buffer_start() == 0 && decode_start() == 0 && refs_start() == 0 && compile_start() == 0 &&
              structs_start(-1) == 0);
}

void python_fixture_start(void)
{
    if (names != NULL)
        return;
    start_interpreter();
    PyObject *main_module = PyImport_AddModule("__main__");
    ck_assert_ptr_nonnull(main_module);
    names = Py_NewRef(PyModule_GetDict(main_module));
    python_exec(prelude);
}

static PyObject *checked(PyObject *result, const char *code)
{
    if (result == NULL)
        PyErr_Print();
    ck_assert_msg(result != NULL, "this raised: %s", code);
    return result;
}

static PyObject *run(const char *code, int start)
{
    PyObject *compiled = checked(Py_CompileString(code, "<test>", start), code);
    PyObject *result = checked(PyEval_EvalCode(compiled, names, names), code);
    Py_DECREF(compiled);
    return result;
}

void python_exec(const char *code)
{
    Py_DECREF(run(code, Py_file_input));
}

PyObject *python_eval(const char *code)
{
    const char *newline = strrchr(code, '\n');
    if (newline == NULL)
        return run(code, Py_eval_input);
    char *body = strndup(code, (size_t)(newline - code) + 1);
    python_exec(body);
    free(body);
    return run(newline + 1, Py_eval_input);
}

void python_set(const char *name, PyObject *object)
{
    ck_assert_int_eq(PyDict_SetItemString(names, name, object), 0);
}

static char *repr(PyObject *object)
{
    PyObject *text = PyObject_Repr(object);
    PyObject *utf8 = text == NULL ? NULL : PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    char *copy = strndup(utf8 == NULL ? "?" : PyBytes_AsString(utf8), 300);
    PyErr_Clear();
    Py_XDECREF(utf8);
    Py_XDECREF(text);
    return copy;
}

void python_assert_alike(PyObject *got, PyObject *expected, const char *what)
{
    PyObject *alike = PyDict_GetItemString(names, "alike");
    PyObject *answer = checked(PyObject_CallFunctionObjArgs(alike, got, expected, NULL), what);
    char *got_text = repr(got), *expected_text = repr(expected);
    ck_assert_msg(answer == Py_True, "%s: expected %s, got %s", what, expected_text, got_text);
    free(got_text);
    free(expected_text);
    Py_DECREF(answer);
}

char *python_take_error(void)
{
    PyObject *type, *value, *traceback;
    ck_assert_ptr_nonnull(PyErr_Occurred());
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *name = PyObject_GetAttrString(type, "__name__");
    PyObject *text = PyUnicode_FromFormat("%U: %S", name, value);
    char *copy = strdup(text == NULL ? "an error without a message" : PyUnicode_AsUTF8AndSize(text, NULL));
    Py_XDECREF(text);
    Py_XDECREF(name);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return copy;
}

bool python_has_module(const char *name)
{
    PyObject *module = PyImport_ImportModule(name);
    if (module == NULL)
        PyErr_Clear();
    Py_XDECREF(module);
    return module != NULL;
}

bool python_has_numpy(const char *suite)
{
    bool found = python_has_module("numpy");
    if (!found)
        fprintf(stderr, "%s: no arrays, as this Python has no NumPy: %s\n", suite, Py_GetVersion());
    return found;
}

void python_without_numpy_api(void)
{
    python_exec("import numpy\n"
                "try:\n"
                "    from numpy._core import _multiarray_umath as numpy_core\n"
                "except ImportError:\n"
                "    from numpy.core import _multiarray_umath as numpy_core\n"
                "del numpy_core._ARRAY_API");
}

Py_ssize_t python_blocks(void)
{
    PyObject *count = python_eval("import gc\ngc.collect()\nsys.getallocatedblocks()");
    Py_ssize_t blocks = PyLong_AsSsize_t(count);
    Py_DECREF(count);
    return blocks;
}
