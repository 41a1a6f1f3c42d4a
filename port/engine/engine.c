/* Starts Python, reports that it is ready, and serves requests until the exit status is known. */
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "beam/invoke_async.h"
#include "codec/atom_budget.h"
#include "codec/decode.h"
#include "codec/refs.h"
#include "codec/structs.h"
#include "erlang_module.h"
#include "exec/compile.h"
#include "exec/execute.h"
#include "os/clock.h"
#include "os/crash_handler.h"
#include "os/exit_status.h"
#include "os/std_fds.h"
#include "python/attach.h"
#include "python/buffer.h"
#include "python/child_guard.h"
#include "python/embedded.h"
#include "python/forked_child.h"
#include "python/py_api.h"
#include "python/python_start.h"
#include "queue/session.h"
#include "session/reader.h"
#include "session/scheduler.h"
#include "shm/segment.h"
#include "wire/protocol.h"

__attribute__((visibility("default"))) engine_main_function pythonx_engine_main;

static int fail(const char *what)
{
    fprintf(stderr, "pythonx_port: %s: %s\n", what, strerror(errno));
    return EXIT_STATUS_FAILURE;
}

/* -- starting ----------------------------------------------------------------------------------------------------- */

static int run_bootstrap(void)
{
    PyObject *bootstrap = embedded_load("bootstrap");
    Py_XDECREF(bootstrap);
    return bootstrap == NULL ? -1 : execute_start();
}

/* What the engine refers to is never freed. */
static void let_go_of_objects(void)
{
    execute_stop();
    refs_stop();
    structs_stop();
}

static int start_parts(const struct engine_options *options)
{
    PyObject *erlang = PyImport_ImportModule("erlang");
    if (erlang == NULL)
        return -1;
    Py_DECREF(erlang);
    atom_budget_start(options->atom_limit);
    if (buffer_start() < 0 || decode_start() < 0 || refs_start() < 0 || compile_start() < 0 ||
        structs_start(options->mapset_version) < 0)
        return -1;
    return run_bootstrap();
}

/* -- ready -------------------------------------------------------------------------------------------------------- */

static void put_features(struct message *message)
{
#define FEATURE(name) #name,
    static const char *const features[] = {PROTOCOL_FEATURES(FEATURE) PROTOCOL_SEGMENT_FEATURES(FEATURE)};
    static const char *const of_segments[] = {PROTOCOL_SEGMENT_FEATURES(FEATURE)};
#undef FEATURE
    uint32_t count = sizeof features / sizeof *features, shared = sizeof of_segments / sizeof *of_segments;
    if (!segment_is_supported())
        count -= shared; /* they come last */
    message_put_list(message, count);
    for (uint32_t i = 0; i < count; i++)
        message_put_atom_text(message, features[i]);
    message_put_nil_list(message);
}

static bool send_ready(const char *program)
{
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 2);
    message_put_atom_text(&message, PROTOCOL_READY);
    message_put_map(&message, 6);
    message_put_atom_text(&message, "protocol");
    message_put_integer(&message, PROTOCOL_VERSION);
    message_put_atom_text(&message, "version");
    message_put_text(&message, PYTHONX_PORT_VERSION);
    message_put_atom_text(&message, "python");
    message_put_text(&message, session.python_version);
    message_put_atom_text(&message, "executable");
    message_put_text(&message, program);
    message_put_atom_text(&message, "os_pid");
    message_put_integer(&message, getpid());
    message_put_atom_text(&message, "features");
    put_features(&message);
    bool sent = message_finish(&message) == MESSAGE_OK && writer_begin(session.writer, &message);
    message_free(&message);
    return sent;
}

/* -- serving ------------------------------------------------------------------------------------------------------ */

static void set_session(const struct engine_options *options)
{
    session.input_fd = options->input_fd;
    session.output_fd = options->output_fd;
    session.max_frame = options->max_frame;
    session.max_result = options->max_result;
    session.spin_us = options->spin_us;
    session.linger_ms = options->linger_ms;
    session.attach_look_ms = -1;
    session.started_us = clock_us();
    session_init();
}

/* Starts all that needs no Python, whose start may take forever. */
static int start_session(const struct engine_options *options)
{
    set_session(options);
    if (!std_fds_claim(&session.input_fd, &session.output_fd))
        return fail("the descriptors could not be set up");
    session.writer = writer_new(session.output_fd);
    if (session.writer == NULL || !crash_handler_prepare(options->crash_file) || !segment_start(options->segment_limit))
        return fail("could not be set up");
    /* `ready` is the first event, whatever Python prints while it starts. */
    writer_hold(session.writer);
    scheduler_start(invoke_async_resolve);
    forked_child_start(let_go_of_objects);
    if (!reader_start())
        return fail("reading the input could not be set up");
    return EXIT_STATUS_OK;
}

static int start_engine(const struct engine_options *options)
{
    if (options->end_children)
        child_guard_prepare(options->launcher, options->has_oom_score_before ? &options->oom_score_before : NULL);
    if (erlang_module_announce() < 0 || python_start(options->program) < 0)
        return fail("Python could not be set up");
    session.python_version = python_version();
    PyObject *errors = Py_XNewRef(PySys_GetObject("stderr"));
    if (start_parts(options) < 0) {
        /* Events are sent once the session is ready, which it will never be. */
        (void)PySys_SetObject("stderr", errors);
        PyErr_Print();
        return EXIT_STATUS_FAILURE;
    }
    Py_XDECREF(errors);
    if (!crash_handler_guard())
        return fail("the handlers for fatal signals could not be installed");
    return EXIT_STATUS_OK;
}

int pythonx_engine_main(const struct engine_options *options)
{
    int status = start_session(options);
    if (status == EXIT_STATUS_OK)
        status = start_engine(options);
    if (status != EXIT_STATUS_OK)
        return status;
    status = EXIT_STATUS_ABANDONED;
    attach_start();
    if (send_ready(options->program)) {
        reader_ready();
        scheduler_run();
        status = atomic_load(&session.exit_status);
    }
    attach_stop();
    let_go_of_objects();
    if (Py_FinalizeEx() < 0 && status == EXIT_STATUS_OK)
        status = EXIT_STATUS_FAILURE;
    return status;
}
