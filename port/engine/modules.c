/* What is importable without a file. */
#include "modules.h"

#include "crash.h"
#include "embedded.h"
#include "interrupt.h"
#include "output.h"
#include "python.h"
#include "structs.h"
#include "types.h"

static PyMethodDef erlang_functions[] = {
    {"register_encoder", structs_register_encoder, METH_VARARGS,
     "register_encoder(type, function): objects of the type are sent as what function(object) returns."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef erlang_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "erlang",
    .m_doc = "Terms of the BEAM in Python, and what Python can tell the BEAM.",
    .m_size = -1,
    .m_methods = erlang_functions,
};

static PyObject *make_erlang(void)
{
    PyObject *module = PyModule_Create(&erlang_module);
    if (module != NULL && (types_add(module) < 0 || interrupt_start(module) < 0))
        Py_CLEAR(module);
    return module;
}

static PyObject *crash_descriptor_function(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    return PyLong_FromLong(crash_descriptor());
}

static PyObject *embedded_function(PyObject *self, PyObject *name)
{
    (void)self;
    const char *text = PyUnicode_AsUTF8AndSize(name, NULL);
    return text == NULL ? NULL : embedded_load(text);
}

static PyMethodDef private_functions[] = {
    {"crash_descriptor", crash_descriptor_function, METH_NOARGS, NULL},
    {"embedded", embedded_function, METH_O, NULL},
    {"output", output_write_function, METH_VARARGS, NULL},
    {"flush_output", output_flush_function, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef private_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_pythonx",
    .m_size = -1,
    .m_methods = private_functions,
};

static PyObject *make_private(void)
{
    return PyModule_Create(&private_module);
}

int modules_announce(void)
{
    if (PyImport_AppendInittab("erlang", make_erlang) < 0)
        return -1;
    return PyImport_AppendInittab("_pythonx", make_private);
}
