/* Loads the engine's Python files from embedded_files.h, which is generated: one row for each .py file. */
#include "python/embedded.h"

#include <stdbool.h>
#include <string.h>

#include "os/std_fds.h"

static const struct {
    const char *name;
    const char *source;
} files[] = {
#include "embedded_files.h"
};

static const char *find_source(const char *name)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i].name, name) == 0)
            return files[i].source;
    return NULL;
}

/* -- one thread at a time ----------------------------------------------------------------------------------------- */

static PyThread_type_lock loading; /* held by the thread that runs a file for the first time */
static unsigned long loader;       /* that thread; 0: none */

/* A file imports modules, which lets other threads run: these must not get the module as it is by then. A file may load
 * another one. Returns whether the lock was taken, and must be released. */
static bool begin_load(void)
{
    unsigned long thread = PyThread_get_thread_ident();
    if (loader == thread || std_fds_forked())
        return false;
    if (loading == NULL && (loading = PyThread_allocate_lock()) == NULL)
        return false;
    if (!PyThread_acquire_lock(loading, NOWAIT_LOCK)) {
        PyThreadState *state = PyEval_SaveThread();
        PyThread_acquire_lock(loading, WAIT_LOCK);
        PyEval_RestoreThread(state);
    }
    loader = thread;
    return true;
}

static void end_load(void)
{
    loader = 0;
    PyThread_release_lock(loading);
}

/* -- loading ------------------------------------------------------------------------------------------------------ */

static PyObject *load(const char *name)
{
    PyObject *module_name = PyUnicode_FromFormat("_pythonx_%s", name);
    PyObject *file = PyUnicode_FromFormat("<pythonx_port %s.py>", name);
    PyObject *code = NULL;
    PyObject *module = module_name == NULL ? NULL : PyImport_GetModule(module_name);
    const char *source = find_source(name);
    if (module != NULL || PyErr_Occurred())
        goto done;
    if (source == NULL)
        PyErr_Format(PyExc_ImportError, "the engine has no file %s.py", name);
    else if (module_name != NULL && file != NULL)
        code = Py_CompileString(source, PyUnicode_AsUTF8AndSize(file, NULL), Py_file_input);
    if (code != NULL)
        module = PyImport_ExecCodeModule(PyUnicode_AsUTF8AndSize(module_name, NULL), code);
done:
    Py_XDECREF(code);
    Py_XDECREF(file);
    Py_XDECREF(module_name);
    return module;
}

PyObject *embedded_load(const char *name)
{
    bool taken = begin_load();
    PyObject *module = load(name);
    if (taken)
        end_load();
    return module;
}

int embedded_hand_over(const char *name, PyObject *object)
{
    PyObject *module = PyImport_ImportModule("_pythonx");
    int failed = module == NULL ? -1 : PyObject_SetAttrString(module, name, object);
    Py_XDECREF(module);
    return failed;
}
