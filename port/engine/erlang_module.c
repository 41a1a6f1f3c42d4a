/* Makes the engine's modules, which are importable without a file. */
#include "erlang_module.h"

#include "beam/beam_events.h"
#include "beam/invoke.h"
#include "beam/invoke_async.h"
#include "beam/invoke_result.h"
#include "beam/log.h"
#include "codec/structs.h"
#include "codec/types.h"
#include "exec/compile.h"
#include "exec/event_loop.h"
#include "exec/stream.h"
#include "numpy/tensor.h"
#include "os/crash_handler.h"
#include "python/child_guard.h"
#include "python/context.h"
#include "python/embedded.h"
#include "python/errors.h"
#include "python/interrupt.h"
#include "python/output.h"
#include "python/py_api.h"
#include "python/signals.h"

/* Py_mod_multiple_interpreters and Py_MOD_PER_INTERPRETER_GIL_SUPPORTED, which headers for the stable ABI of CPython
 * 3.11 do not have. */
#define SLOT_MULTIPLE_INTERPRETERS 3
#define OWN_GIL_SUPPORTED ((void *)2)

static PyMethodDef erlang_functions[] = {
    {"register_encoder", structs_register_encoder, METH_VARARGS,
     "register_encoder(type, function): objects of the type are sent as what function(object) returns."},
    {"send", beam_events_send_function, METH_VARARGS,
     "send(dest, term): sends a message to a process, by its Pid or its registered name."},
    {"call", invoke_function, METH_VARARGS,
     "call(module, function, args=[]): calls a function of the BEAM and returns its value; raises erlang.Error.\n"
     "call('Elixir.Enum', 'sum', [[1, 2]]) is 3. The session says what may be called."},
    {"call_async", event_loop_call_async_function, METH_VARARGS,
     "await call_async(module, function, args=[]), or (fun, args=[]): as call, while other coroutines go on."},
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
    if (module != NULL && (errors_start(module) < 0 || types_add(module, invoke_fun) < 0 ||
                           interrupt_start(module) < 0 || invoke_result_start(module) < 0))
        Py_CLEAR(module);
    return module;
}

static PyObject *crash_descriptor_function(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    return PyLong_FromLong(crash_handler_descriptor());
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
    {"log", log_send_function, METH_VARARGS, NULL},
    {"unraisable", interrupt_unraisable_function, METH_O, NULL},
    {"pump", event_loop_pump_function, METH_NOARGS, NULL},
    {"abort", event_loop_abort_function, METH_O, NULL},
    {"wake", event_loop_wake_function, METH_NOARGS, NULL},
    {"guarded", child_guard_wrap_function, METH_O, NULL},
    {"watch_signals", signals_watch_function, METH_NOARGS, NULL},
    {"end_done_tasks", event_loop_end_done_tasks_function, METH_NOARGS, NULL},
    {"demand", stream_demand_function, METH_O, NULL},
    {"put_item", stream_put_function, METH_VARARGS, NULL},
    {"evaluated_sources", compile_sources_function, METH_O, NULL},
    {"begin_call", invoke_async_begin_function, METH_VARARGS, NULL},
    {"abandon_call", invoke_async_abandon_function, METH_O, NULL},
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
    PyObject *module = PyModule_Create(&private_module);
    if (module != NULL &&
        (PyModule_AddStringConstant(module, "TENSOR_STRUCT", TENSOR_STRUCT) < 0 || context_start(module) < 0))
        Py_CLEAR(module);
    return module;
}

/* -- how they are imported ----------------------------------------------------------------------------------------- */

/* Returns whether the code runs in the main interpreter, whose id is 0; sets ImportError if it does not. What these
 * modules know (types, the session, its requests) exists once in a process. */
static bool is_main_interpreter(const char *name)
{
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) == 0)
        return true;
    PyErr_Format(PyExc_ImportError,
                 "%s exists in the session's main interpreter alone: pass what a sub-interpreter needs as arguments, "
                 "and return what it finds",
                 name);
    return false;
}

/* Returns the module, which is made once: another import, such as after `del sys.modules[name]`, returns it again. */
static PyObject *create_once(PyObject **module, const char *name, PyObject *make(void))
{
    if (!is_main_interpreter(name))
        return NULL;
    if (*module == NULL)
        *module = make();
    return Py_XNewRef(*module);
}

static PyObject *create_erlang(PyObject *spec, PyModuleDef *definition)
{
    static PyObject *module;
    (void)spec, (void)definition;
    return create_once(&module, "erlang", make_erlang);
}

static PyObject *create_private(PyObject *spec, PyModuleDef *definition)
{
    static PyObject *module;
    (void)spec, (void)definition;
    return create_once(&module, "_pythonx", make_private);
}

/* Multi-phase initialization (PEP 489) asks for the module again in each interpreter, so that the refusal is ours.
 * Otherwise an interpreter that shares the GIL would get the main interpreter's module. */
static PyObject *announce(PyModuleDef *definition, PyModuleDef_Slot *create)
{
    /* Only CPython 3.12 and later know this slot, and refuse interpreters with a GIL of their own without it. */
    if (Py_Version >= 0x030c0000)
        create[1] = (PyModuleDef_Slot){SLOT_MULTIPLE_INTERPRETERS, OWN_GIL_SUPPORTED};
    definition->m_slots = create;
    return PyModuleDef_Init(definition);
}

static PyObject *announce_erlang(void)
{
    static PyModuleDef_Slot slots[] = {{Py_mod_create, create_erlang}, {0, NULL}, {0, NULL}};
    static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "erlang"};
    return announce(&definition, slots);
}

static PyObject *announce_private(void)
{
    static PyModuleDef_Slot slots[] = {{Py_mod_create, create_private}, {0, NULL}, {0, NULL}};
    static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_pythonx"};
    return announce(&definition, slots);
}

int erlang_module_announce(void)
{
    if (PyImport_AppendInittab("erlang", announce_erlang) < 0)
        return -1;
    return PyImport_AppendInittab("_pythonx", announce_private);
}
