/* From the launcher's call to the exit status: Python is started, says that it is ready, and serves requests. */
#include "engine/engine.h"
#include "os/exit_status.h"

#include <dlfcn.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "beam/beam_events.h"
#include "beam/invoke.h"
#include "beam/log.h"
#include "codec/decode.h"
#include "codec/encode.h"
#include "codec/refs.h"
#include "codec/structs.h"
#include "erlang_module.h"
#include "exec/compile.h"
#include "exec/event_loop.h"
#include "exec/execute.h"
#include "exec/invoke_table.h"
#include "exec/serve.h"
#include "exec/stream.h"
#include "os/crash_handler.h"
#include "os/std_fds.h"
#include "python/buffer.h"
#include "python/embedded.h"
#include "python/interrupt.h"
#include "python/output.h"
#include "python/py_api.h"
#include "session/info.h"
#include "session/reader.h"
#include "shm/segment.h"
#include "wire/protocol.h"
#include "wire/writer.h"

__attribute__((visibility("default"))) engine_main_function pythonx_engine_main;

static int fail(const char *what)
{
    fprintf(stderr, "pythonx_port: %s: %s\n", what, strerror(errno));
    return -1;
}

/* -- starting Python ----------------------------------------------------------------------------------------------- */

/* As the python program does (PEP 540): a BEAM without a locale, as in many containers, is no reason for ASCII. The
 * variable stands outside of the stable ABI, so it is looked up. */
static void prefer_utf8(void)
{
    const char *locale = setlocale(LC_CTYPE, "");
    const char *wish = getenv("PYTHONUTF8");
    bool plain = locale == NULL || strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0;
    int *utf8_mode = dlsym(RTLD_DEFAULT, "Py_UTF8Mode");
    if (utf8_mode != NULL && (wish == NULL || *wish == '\0' ? plain : *wish == '1'))
        *utf8_mode = 1;
}

/* The path configuration derives prefix, venv and site-packages from the program's name (PEP 405). The function is
 * deprecated in favour of a structure that the stable ABI does not have. */
static int name_program(const char *program)
{
    wchar_t *name = Py_DecodeLocale(program, NULL);
    if (name == NULL)
        return -1;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    Py_SetProgramName(name); /* keeps the pointer for good */
#pragma GCC diagnostic pop
    return 0;
}

/* Without Python's own signal handlers: an interrupt from a terminal ends the process as it ends others. */
static int start_python(const struct engine_options *options)
{
    prefer_utf8();
    if (erlang_module_announce() < 0 || name_program(options->program) < 0)
        return fail("Python could not be set up");
    signal(SIGPIPE, SIG_IGN);
    Py_InitializeEx(0);
    return 0;
}

static int run_bootstrap(void)
{
    PyObject *bootstrap = embedded_load("bootstrap");
    Py_XDECREF(bootstrap);
    return bootstrap == NULL ? -1 : run_start();
}

static int start_parts(const struct engine_options *options)
{
    PyObject *erlang = PyImport_ImportModule("erlang");
    if (erlang == NULL)
        return -1;
    Py_DECREF(erlang);
    if (buffer_start() < 0 || decode_start() < 0 || refs_start() < 0 || compile_start() < 0 ||
        structs_start(options->mapset_version) < 0)
        return -1;
    return run_bootstrap();
}

/* -- ready --------------------------------------------------------------------------------------------------------- */

/* "3.11.2" of "3.11.2 (main, …) [GCC …]"; made once, kept for good. */
static const char *python_version(void)
{
    static char version[32];
    const char *whole = Py_GetVersion();
    snprintf(version, sizeof version, "%.*s", (int)strcspn(whole, " "), whole);
    return version;
}

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

static int send_ready(struct writer *writer, const char *program)
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
    message_put_text(&message, python_version());
    message_put_atom_text(&message, "executable");
    message_put_text(&message, program);
    message_put_atom_text(&message, "os_pid");
    message_put_integer(&message, getpid());
    message_put_atom_text(&message, "features");
    put_features(&message);
    return writer_send_and_free(writer, &message) ? 0 : -1;
}

/* -- serving ------------------------------------------------------------------------------------------------------- */

/* With the GIL not held. True where the session goes on. */
static bool serve_next(struct input *input, struct job *job, struct reply *reply, PyThreadState **thread)
{
    bool stop = job->request.operation == OPERATION_stop;
    job_show(job);
    PyEval_RestoreThread(*thread);
    if (stop)
        stream_end_all();
    serve_run(job, reply);
    loop_run();
    *thread = PyEval_SaveThread();
    if (stop)
        input_close(input);
    reply_send(reply);
    if (reply_holds_objects(reply)) {
        PyEval_RestoreThread(*thread);
        reply_sent(reply);
        *thread = PyEval_SaveThread();
    } else {
        reply_sent(reply);
    }
    return !stop;
}

static void go_on_with_streams(PyThreadState **thread)
{
    PyEval_RestoreThread(*thread);
    (void)stream_step();
    *thread = PyEval_SaveThread();
}

static void serve(struct input *input)
{
    struct job *job;
    struct reply reply = {0};
    bool goes_on = true;
    PyThreadState *thread = PyEval_SaveThread();
    while (goes_on) {
        switch (input_next(input, &job)) {
        case INPUT_REQUEST:
            goes_on = serve_next(input, job, &reply, &thread);
            break;
        case INPUT_STREAM:
            go_on_with_streams(&thread);
            break;
        case INPUT_END:
            goes_on = false;
        }
    }
    PyEval_RestoreThread(thread);
    stream_end_all();
    loop_close();
    message_free(&reply.message);
}

/* What the main thread does from inside the event loop, each time that somebody woke it. */
static void work_in_loop(void)
{
    struct job *job;
    invoke_async_resolve();
    while ((job = invoke_table_take_for_task()) != NULL || (job = job_begin_next(loop_may_begin)) != NULL) {
        struct job *before = job_show(job);
        serve_flight(job);
        job_show(before);
    }
    if (stream_step() && stream_is_ready())
        loop_wake();
}

int pythonx_engine_main(const struct engine_options *options)
{
    struct input_options input_options = {.input_fd = options->input_fd,
                                          .output_fd = options->output_fd,
                                          .max_frame = options->max_frame,
                                          .spin_us = options->spin_us,
                                          .linger_ms = options->linger_ms};
    if (!std_fds_claim(&input_options.input_fd, &input_options.output_fd))
        return fail("the descriptors could not be set up"), EXIT_STATUS_FAILURE;
    /* Neither is ever freed: other threads may hold them until the process is gone. */
    struct writer *writer = writer_new(input_options.output_fd);
    if (writer == NULL || !crash_handler_prepare(options->crash_file))
        return fail("could not be set up"), EXIT_STATUS_FAILURE;
    output_start(writer);
    beam_events_start(writer);
    log_start(writer);
    reply_start(writer);
    stream_start(writer);
    if (!segment_start(options->segment_limit) || !loop_start(work_in_loop))
        return fail("could not be set up"), EXIT_STATUS_FAILURE;
    /* Before Python, whose start may take for ever. */
    struct input *input = input_new(&input_options, writer, interrupt_shutdown);
    if (input == NULL)
        return fail("reading the input could not be set up"), EXIT_STATUS_FAILURE;
    invoke_start(input);
    if (start_python(options) < 0)
        return EXIT_STATUS_FAILURE;
    info_start(python_version());
    if (start_parts(options) < 0) {
        PyErr_Print();
        return EXIT_STATUS_FAILURE;
    }
    if (!crash_handler_guard())
        return fail("the handlers for fatal signals could not be installed"), EXIT_STATUS_FAILURE;
    int status = EXIT_STATUS_ABANDONED;
    if (send_ready(writer, options->program) == 0) {
        input_ready(input);
        serve(input);
        status = input_exit_status(input);
    }
    if (Py_FinalizeEx() < 0 && status == EXIT_STATUS_OK)
        status = EXIT_STATUS_FAILURE;
    return status;
}
