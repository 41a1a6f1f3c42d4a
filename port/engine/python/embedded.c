/* Loads the engine's Python files from embedded_files.h, which is generated: one row for each .py file. */
#include "python/embedded.h"

#include <string.h>

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

PyObject *embedded_load(const char *name)
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
