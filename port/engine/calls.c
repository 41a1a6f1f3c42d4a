/* A list of the calls that wait, under a lock. What arrives for one is left in it, and its thread woken; the main
 * thread needs no waking, as it is the one that reads while it waits, and tasks are woken through their loop. */
#include "calls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bulk.h"
#include "decode.h"
#include "encode.h"
#include "exception.h"
#include "info.h"
#include "interrupt.h"
#include "loop.h"
#include "message.h"
#include "owner.h"
#include "protocol.h"
#include "serve.h"
#include "stream.h"
#include "term.h"
#include "types.h"

/* A call that has waited for so long lets other requests run: what it waits for may wait for one of them, through
 * processes that know nothing of the call. */
#define PATIENCE_US 500000

enum waiter { WAITER_MAIN, WAITER_THREAD, WAITER_TASK };

struct call {
    unsigned long long number;
    enum waiter waiter;
    unsigned long long since_us;
    bool answered;
    struct request answer;  /* owned once it is answered */
    struct flight *given;   /* requests made within it, chained by `following` */
    pthread_cond_t arrived; /* for WAITER_THREAD */
    PyObject *future;       /* for WAITER_TASK, owned */
    struct call *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct call *calls;
static unsigned long long last_number;
static size_t count;
static atomic_uint main_waits;
static pthread_t main_thread;
static struct input *call_input;
static struct writer *call_writer;
static PyObject *Error;

void calls_start(struct input *input, struct writer *writer)
{
    call_input = input;
    call_writer = writer;
    main_thread = pthread_self();
}

bool calls_main_waits(void)
{
    return atomic_load(&main_waits) > 0;
}

size_t calls_count(void)
{
    pthread_mutex_lock(&lock);
    size_t now = count;
    pthread_mutex_unlock(&lock);
    return now;
}

/* -- the list -------------------------------------------------------------------------------------------------------
 */

static void add_call(struct call *call)
{
    pthread_cond_init(&call->arrived, NULL);
    pthread_mutex_lock(&lock);
    call->number = ++last_number;
    call->next = calls;
    calls = call;
    count++;
    pthread_mutex_unlock(&lock);
}

/* Requests that nobody ran within the call run like others. */
static void remove_call(struct call *call)
{
    pthread_mutex_lock(&lock);
    struct call **at = &calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    count--;
    struct flight *given = call->given;
    call->given = NULL;
    pthread_mutex_unlock(&lock);
    while (given != NULL) {
        struct flight *next = given->following;
        flight_wait_again(given);
        given = next;
    }
    pthread_cond_destroy(&call->arrived);
}

/* With the lock held. A call's id is {Number, Id of the request}. */
static struct call *find(struct span id)
{
    struct term_head tuple, number;
    long long value;
    if (term_read_head(&id, &tuple) != TERM_OK || tuple.kind != TERM_TUPLE || tuple.children != 2 ||
        term_read_head(&id, &number) != TERM_OK || !term_integer(&number, &value))
        return NULL;
    struct call *call = calls;
    while (call != NULL && call->number != (unsigned long long)value)
        call = call->next;
    return call;
}

static void wake(const struct call *call)
{
    if (call->waiter == WAITER_TASK)
        loop_wake();
}

bool calls_answer(struct request *request)
{
    pthread_mutex_lock(&lock);
    struct call *call = find(request->other);
    bool taken = call != NULL && !call->answered;
    if (taken) {
        call->answer = *request;
        *request = (struct request){0};
        call->answered = true;
        pthread_cond_signal(&call->arrived);
        wake(call);
    }
    pthread_mutex_unlock(&lock);
    return taken;
}

bool calls_give(struct flight *flight)
{
    pthread_mutex_lock(&lock);
    struct call *call = find(flight->request.within);
    bool taken = call != NULL && !call->answered;
    if (taken) {
        struct flight **end = &call->given;
        while (*end != NULL)
            end = &(*end)->following;
        *end = flight;
        /* From here on a cancel finds it. */
        flight_begin(flight);
        pthread_cond_signal(&call->arrived);
        wake(call);
    }
    pthread_mutex_unlock(&lock);
    return taken;
}

void calls_wake_threads(void)
{
    pthread_mutex_lock(&lock);
    for (struct call *call = calls; call != NULL; call = call->next)
        pthread_cond_signal(&call->arrived);
    pthread_mutex_unlock(&lock);
}

/* With the lock held. */
static struct flight *take_given(struct call *call)
{
    struct flight *flight = call->given;
    if (flight != NULL)
        call->given = flight->following;
    return flight;
}

struct flight *calls_take_given(void)
{
    struct flight *flight = NULL;
    pthread_mutex_lock(&lock);
    for (struct call *call = calls; call != NULL && flight == NULL; call = call->next)
        if (call->waiter == WAITER_TASK)
            flight = take_given(call);
    pthread_mutex_unlock(&lock);
    return flight;
}

/* -- to the BEAM -----------------------------------------------------------------------------------------------------
 */

/* Finishes and sends it; -1 with an error set. */
static int send_message(struct message *message)
{
    enum message_status status = message_finish(message);
    if (status == MESSAGE_OK) {
        PyThreadState *thread = PyEval_SaveThread();
        writer_send(call_writer, message);
        PyEval_RestoreThread(thread);
    } else if (status == MESSAGE_TOO_LONG) {
        PyErr_SetString(types_EncodeError, "the term does not fit a frame of 4 GiB");
    } else {
        PyErr_NoMemory();
    }
    message_free(message);
    return status == MESSAGE_OK ? 0 : -1;
}

static void put_call_id(struct message *message, unsigned long long number)
{
    struct owner *owner = owner_of_this();
    message_put_tuple(message, 2);
    message_put_unsigned(message, number);
    owner_put_id(message, owner);
    Py_XDECREF((PyObject *)owner);
}

static int send_invoke(unsigned long long number, PyObject *target, PyObject *arguments)
{
    struct message message = {0};
    message_begin(&message);
    message_put_tuple(&message, 4);
    message_put_atom_text(&message, PROTOCOL_INVOKE);
    put_call_id(&message, number);
    if (encode_object(&message, target, "target") < 0 || encode_object(&message, arguments, "args") < 0) {
        message_free(&message);
        return -1;
    }
    return send_message(&message);
}

/* Nobody waits for its answer any more. Keeps the current error. */
static void send_abandoned(unsigned long long number)
{
    struct message message = {0};
    PyObject *current = exception_take();
    message_begin(&message);
    message_put_tuple(&message, 2);
    message_put_atom_text(&message, PROTOCOL_ABANDONED);
    put_call_id(&message, number);
    (void)send_message(&message);
    if (current != NULL)
        exception_set(current);
}

PyObject *calls_send_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *destination, *term;
    struct message message = {0};
    if (!PyArg_ParseTuple(arguments, "OO:send", &destination, &term))
        return NULL;
    if (!PyUnicode_Check(destination) && !types_is_pid(destination)) {
        PyErr_SetString(PyExc_TypeError, "send() takes an erlang.Pid, or the name of a process, first");
        return NULL;
    }
    message_begin(&message);
    message_put_tuple(&message, 3);
    message_put_atom_text(&message, PROTOCOL_SEND);
    if (encode_object(&message, destination, "dest") < 0 || encode_object(&message, term, "term") < 0) {
        message_free(&message);
        return NULL;
    }
    if (send_message(&message) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* -- the answer ------------------------------------------------------------------------------------------------------
 */

static void set_field(PyObject *error, PyObject *reason, const char *name)
{
    PyObject *value = PyDict_Check(reason) ? PyDict_GetItemString(reason, name) : NULL;
    if (PyObject_SetAttrString(error, name, value == NULL ? Py_None : value) < 0)
        PyErr_Clear();
}

/* The BEAM's own trace stands below Python's (PEP 678). */
static void add_stacktrace(PyObject *error, PyObject *reason)
{
    PyObject *trace = PyDict_Check(reason) ? PyDict_GetItemString(reason, "stacktrace") : NULL;
    PyObject *done = trace == NULL || !PyUnicode_Check(trace) || PyUnicode_GetLength(trace) == 0
                         ? NULL
                         : PyObject_CallMethod(error, "add_note", "O", trace);
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
}

static void raise_reason(PyObject *reason)
{
    PyObject *text = PyDict_Check(reason) ? PyDict_GetItemString(reason, "message") : NULL;
    text = text == NULL ? PyObject_Repr(reason) : Py_NewRef(text);
    PyObject *error = text == NULL ? NULL : PyObject_CallFunctionObjArgs(Error, text, NULL);
    Py_XDECREF(text);
    if (error == NULL)
        return;
    set_field(error, reason, "kind");
    set_field(error, reason, "type");
    set_field(error, reason, "message");
    set_field(error, reason, "stacktrace");
    if (PyObject_SetAttrString(error, "reason", reason) < 0)
        PyErr_Clear();
    add_stacktrace(error, reason);
    PyErr_SetObject(Error, error);
    Py_DECREF(error);
}

/* New reference to the value of {ok, Value}; NULL with an error set. */
static PyObject *read_answer(struct request *answer)
{
    struct decoder decoder = decoder_of(answer->arguments, false);
    decoder.request = answer;
    PyObject *outcome = decode_term(&decoder, "reply");
    if (outcome == NULL)
        return NULL;
    PyObject *value = NULL;
    bool pair = PyTuple_Check(outcome) && PyTuple_Size(outcome) == 2 && types_is_atom(PyTuple_GetItem(outcome, 0));
    if (pair && PyUnicode_CompareWithASCIIString(PyTuple_GetItem(outcome, 0), PROTOCOL_OK) == 0)
        value = Py_NewRef(PyTuple_GetItem(outcome, 1));
    else
        raise_reason(pair ? PyTuple_GetItem(outcome, 1) : outcome);
    Py_DECREF(outcome);
    return value;
}

static PyObject *take_answer(struct call *call)
{
    PyObject *value = read_answer(&call->answer);
    Py_XDECREF((PyObject *)call->answer.keeper);
    request_free(&call->answer);
    return value;
}

/* -- waiting ---------------------------------------------------------------------------------------------------------
 */

/* Called by the main thread as it reads: whether it has what it waits for. */
static bool has_arrived(void *argument)
{
    const struct call *call = argument;
    pthread_mutex_lock(&lock);
    bool arrived = call->answered || call->given != NULL || stream_is_ready();
    pthread_mutex_unlock(&lock);
    return arrived;
}

static void wait_on_thread(struct call *call)
{
    pthread_mutex_lock(&lock);
    while (!call->answered && call->given == NULL && !stream_is_ready())
        pthread_cond_wait(&call->arrived, &lock);
    pthread_mutex_unlock(&lock);
}

/* Without the GIL. False where the input has ended. */
static bool wait_for_arrival(struct call *call)
{
    if (call->waiter == WAITER_MAIN)
        return input_wait(call_input, has_arrived, call, PATIENCE_US / 1000);
    wait_on_thread(call);
    return true;
}

/* Runs what was made within the call, and, where it has waited for long, what waits elsewhere. */
static void serve_meanwhile(struct call *call)
{
    pthread_mutex_lock(&lock);
    struct flight *flight = take_given(call);
    bool nothing_came = flight == NULL && !call->answered;
    pthread_mutex_unlock(&lock);
    if (flight == NULL && nothing_came && call->waiter == WAITER_MAIN &&
        info_clock_us() - call->since_us >= PATIENCE_US)
        flight = flight_begin_next(loop_may_begin);
    if (flight != NULL)
        serve_flight(flight);
    else if (nothing_came)
        (void)stream_step();
}

/* What keeps a waiting call from going on; -1 with an error set. */
static int check_interrupts(const struct call *call)
{
    if (call->waiter != WAITER_MAIN)
        return 0;
    struct owner *owner = owner_of_this();
    int failed = owner != NULL && owner->flight != NULL && owner->interruptible ? interrupt_raise(owner->flight) : 0;
    Py_XDECREF((PyObject *)owner);
    return failed ? -1 : PyErr_CheckSignals();
}

/* 0 once it is answered, -1 with an error set. */
static int wait_for_answer(struct call *call)
{
    for (;;) {
        PyThreadState *thread = PyEval_SaveThread();
        bool goes_on = wait_for_arrival(call);
        PyEval_RestoreThread(thread);
        serve_meanwhile(call);
        if (call->answered)
            return 0;
        if (check_interrupts(call) < 0)
            return -1;
        if (!goes_on) {
            interrupt_set_shutdown("the input ended while this waited for the BEAM");
            return -1;
        }
    }
}

/* Takes no reference over. */
static PyObject *call_and_wait(PyObject *target, PyObject *arguments)
{
    bool on_main = pthread_equal(pthread_self(), main_thread);
    struct call call = {.waiter = on_main ? WAITER_MAIN : WAITER_THREAD, .since_us = info_clock_us()};
    add_call(&call);
    if (send_invoke(call.number, target, arguments) < 0) {
        remove_call(&call);
        return NULL;
    }
    atomic_fetch_add(&main_waits, on_main);
    int failed = wait_for_answer(&call);
    atomic_fetch_sub(&main_waits, on_main);
    remove_call(&call);
    if (!failed)
        return take_answer(&call);
    send_abandoned(call.number);
    /* It may have come after all. */
    request_free(&call.answer);
    return NULL;
}

static PyObject *call_target(PyObject *target, PyObject *sequence)
{
    PyObject *arguments = PySequence_List(sequence);
    PyObject *value = arguments == NULL ? NULL : call_and_wait(target, arguments);
    Py_XDECREF(arguments);
    return value;
}

PyObject *calls_call_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *module, *function, *args = NULL;
    if (!PyArg_ParseTuple(arguments, "UU|O:call", &module, &function, &args))
        return NULL;
    PyObject *target = PyTuple_Pack(2, module, function);
    PyObject *none = PyTuple_New(0);
    PyObject *value = target == NULL || none == NULL ? NULL : call_target(target, args == NULL ? none : args);
    Py_XDECREF(none);
    Py_XDECREF(target);
    return value;
}

PyObject *calls_call_fun(PyObject *fun, PyObject *arguments, PyObject *keywords)
{
    if (keywords != NULL && PyDict_Size(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError, "a function of the BEAM takes no keyword arguments");
        return NULL;
    }
    return call_target(fun, arguments);
}

/* -- calls that a task awaits ----------------------------------------------------------------------------------------
 */

static void free_call(struct call *call)
{
    remove_call(call);
    Py_DECREF(call->future);
    request_free(&call->answer);
    free(call);
}

PyObject *calls_begin_function(PyObject *self, PyObject *arguments)
{
    (void)self;
    PyObject *future, *target, *args;
    if (!PyArg_ParseTuple(arguments, "OOO!", &future, &target, &PyList_Type, &args))
        return NULL;
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return PyErr_NoMemory();
    call->waiter = WAITER_TASK;
    call->future = Py_NewRef(future);
    add_call(call);
    unsigned long long number = call->number;
    if (send_invoke(number, target, args) == 0)
        Py_RETURN_NONE;
    free_call(call);
    return NULL;
}

PyObject *calls_abandon_function(PyObject *self, PyObject *future)
{
    (void)self;
    pthread_mutex_lock(&lock);
    struct call *call = calls;
    while (call != NULL && (call->waiter != WAITER_TASK || call->future != future))
        call = call->next;
    pthread_mutex_unlock(&lock);
    if (call != NULL) {
        unsigned long long number = call->number;
        free_call(call);
        send_abandoned(number);
    }
    Py_RETURN_NONE;
}

static struct call *find_answered(void)
{
    pthread_mutex_lock(&lock);
    struct call *call = calls;
    while (call != NULL && (call->waiter != WAITER_TASK || !call->answered))
        call = call->next;
    pthread_mutex_unlock(&lock);
    return call;
}

static void resolve(struct call *call)
{
    PyObject *future = Py_NewRef(call->future), *done = NULL;
    PyObject *value = take_answer(call);
    PyObject *error = value == NULL ? exception_take() : NULL;
    free_call(call);
    PyObject *over = PyObject_CallMethod(future, "done", NULL);
    if (over != NULL && !Py_IsTrue(over))
        done = value != NULL ? PyObject_CallMethod(future, "set_result", "O", value)
                             : PyObject_CallMethod(future, "set_exception", "O", error);
    PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(over);
    Py_XDECREF(error);
    Py_XDECREF(value);
    Py_DECREF(future);
}

void calls_resolve(void)
{
    struct call *call;
    while ((call = find_answered()) != NULL)
        resolve(call);
}

int calls_add(PyObject *module)
{
    Error = PyErr_NewExceptionWithDoc(
        "erlang.Error", "What a function of the BEAM raised: kind, type, message, stacktrace.", NULL, NULL);
    return Error == NULL ? -1 : PyModule_AddObjectRef(module, "Error", Error);
}
