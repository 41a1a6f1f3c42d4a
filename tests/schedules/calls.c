/* Answers calls from Python: at once, later, after requests that were made within the call, or beside them. */
#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "fields.h"
#include "history.h"

/* How often calls are looked through for those that wait long. */
#define NOTE_US 10000
/* At times all calls are answered late: then the main thread, which waits, runs what is queued. */
#define SLOW_US 2500000
#define SLOW_ANSWER_US 1500000
#define SLOW_ONE_IN 1500

/* -- what is known of a call -------------------------------------------------------------------------------------- */

static struct call *find_call(struct driver *driver, struct span key)
{
    take_tuple(&key);
    long long number = take_integer(&key);
    struct call *call = &driver->calls[number & (CALLS_KEPT - 1)];
    return call->number == number ? call : NULL;
}

static bool waits_on_thread(const struct call *call)
{
    return strcmp(call->where, "main") != 0 && strcmp(call->where, "async") != 0;
}

/* Python waits for the call in the request's own code, not in a thread that the request has started. */
static bool is_of_request(const struct call *call, const struct request *request)
{
    return call->request == request->id && (!waits_on_thread(call) || request->within != NULL);
}

static bool is_open(const struct call *call)
{
    return call->number > 0 && !call->answered && !call->abandoned;
}

static void read_call(struct call *call, struct span key, struct span *event)
{
    struct span arguments, where;
    *call = (struct call){.asked_at = now_us(), .request = -1, .key_length = key.length};
    if (key.length > sizeof call->key)
        finding("a CallId of %zu bytes", key.length);
    memcpy(call->key, key.bytes, key.length);
    take_tuple(&key);
    call->number = take_integer(&key);
    struct span owner = take_term(&key);
    if (!is_integer(owner, &call->request))
        call->request = -1;
    take_term(event); /* the target */
    arguments = take_term(event);
    take_list(&arguments);
    call->argument = take_integer(&arguments);
    where = take_binary(&arguments);
    snprintf(call->where, sizeof call->where, "%.*s", (int)where.length, (const char *)where.bytes);
}

static void check_call(struct driver *driver, const struct call *call)
{
    struct request *request = call->request < 0 ? NULL : request_find(driver, call->request);
    bool is_known = request != NULL && !request->answered;
    if (!is_known)
        history_concern(call->request);
    if (call->request >= driver->next_id)
        finding("call %lld of request %lld, which was never sent", call->number, call->request);
    if (!is_known && !waits_on_thread(call))
        finding("call %lld of request %lld, which is not under way", call->number, call->request);
    history_forget();
}

/* -- answers ------------------------------------------------------------------------------------------------------ */

/* The request whose value becomes the answer. */
static struct request *asking_request(struct driver *driver, const struct call *call)
{
    struct request *request = request_find(driver, call->argument);
    if (request == NULL || !request->asks || (call->request != call->argument && !request->is_detached))
        return NULL;
    return request;
}

void call_answer(struct driver *driver, struct call *call)
{
    char text[200];
    if (!is_open(call))
        return;
    struct request *request = asking_request(driver, call);
    const struct request *owner = call->request < 0 ? NULL : request_find(driver, call->request);
    bool is_refused = random_chance(&driver->random, 20);
    long long value = call->argument * 7 + 1;
    if (request != NULL && is_refused)
        snprintf(request->expected, sizeof request->expected, "'refused no %lld'", call->argument);
    else if (request != NULL)
        snprintf(request->expected, sizeof request->expected, "%lld", value);
    call->outlived = owner != NULL && owner->answered && is_of_request(call, owner);
    call->answered = true;
    driver->calls_open--;
    if (is_refused)
        snprintf(text, sizeof text, "{reply, %%t, {error, #{message => 'no %lld'}}}", call->argument);
    else
        snprintf(text, sizeof text, "{reply, %%t, {ok, %lld}}", value);
    port_process_send(driver->process, text, span_of(call->key, call->key_length));
}

/* Sends a request that may run in place of the call, so that its answer can wait for it. */
static unsigned impossible_within(const struct call *call)
{
    /* The main thread waits for this thread: jobs that need the main thread do not go on. */
    return strcmp(call->where, "joined") == 0 ? LOAD_AWAITS | LOAD_STREAM : 0;
}

static void send_within(struct driver *driver, struct call *call, bool waits)
{
    int count = random_between(&driver->random, 1, 3);
    for (int i = 0; i < count; i++)
        load_send_any(driver, call, waits ? impossible_within(call) : 0);
}

/* Microseconds, at most. A detached thread delays nothing, so it may wait as long as all that follows. */
static int choose_delay(struct driver *driver, const struct call *call)
{
    struct random *random = &driver->random;
    if (now_us() < driver->slow_until)
        return SLOW_ANSWER_US;
    if (strcmp(call->where, "detached") == 0 && random_chance(random, 50))
        return 300000;
    return random_chance(random, 80) ? 1500 : 15000;
}

static void plan_answer(struct driver *driver, struct call *call)
{
    struct random *random = &driver->random;
    int choice = random_below(random, 100);
    if (load_is_on("long") && random_below(random, SLOW_ONE_IN) == 0)
        driver->slow_until = now_us() + SLOW_US;
    if (now_us() < driver->slow_until)
        choice = 99;
    bool may_nest = load_is_on("within") && call->depth < DEPTH_MAX && driver->phase == PHASE_RUNNING;
    if (may_nest && choice < 35) {
        send_within(driver, call, true);
        call->waits = call->within_open > 0;
        if (!call->waits)
            call_answer(driver, call);
    } else if (may_nest && choice < 42) {
        send_within(driver, call, false);
        call_answer(driver, call);
    } else if (may_nest && choice < 45) {
        call_answer(driver, call);
        send_within(driver, call, false);
    } else if (choice < 80) {
        call_answer(driver, call);
    } else {
        act_later(driver, ACTION_ANSWER, call->number, choose_delay(driver, call));
    }
}

void call_within_ended(struct driver *driver, struct call *call)
{
    if (--call->within_open == 0 && call->waits)
        call_answer(driver, call);
}

/* -- events ------------------------------------------------------------------------------------------------------- */

void call_asked(struct driver *driver, struct span *event)
{
    struct call read;
    struct span key = take_term(event);
    read_call(&read, key, event);
    struct call *call = &driver->calls[read.number & (CALLS_KEPT - 1)];
    if (call->number == read.number)
        finding("call %lld was made twice", read.number);
    if (is_open(call) || call->within_open > 0)
        finding("the test keeps too few calls");
    check_call(driver, &read);
    const struct request *request = read.request < 0 ? NULL : request_find(driver, read.request);
    read.depth = request == NULL ? 0 : request->depth;
    *call = read;
    driver->calls_open++;
    driver->calls_total++;
    plan_answer(driver, call);
}

void call_abandoned(struct driver *driver, struct span *event)
{
    struct call *call = find_call(driver, take_term(event));
    if (call == NULL)
        finding("`abandoned` for a call that was never made");
    history_concern(call->request);
    if (call->abandoned)
        finding("call %lld was abandoned twice", call->number);
    const struct request *request = call->request < 0 ? NULL : request_find(driver, call->request);
    if (driver->phase == PHASE_RUNNING && (request == NULL || !request_is_aborted(request)))
        finding("call %lld was abandoned, but request %lld was not aborted", call->number, call->request);
    history_forget();
    if (!call->answered)
        driver->calls_open--;
    call->abandoned = true;
}

/* {send, test, {thread, Id, Value}}: the answer that a thread got which outlives its request. */
void call_sent_result(struct driver *driver, struct span *event)
{
    take_term(event); /* to whom */
    take_tuple(event);
    take_term(event);
    long long id = take_integer(event);
    struct request *request = request_find(driver, id);
    struct span value = take_term(event);
    if (request == NULL || !request->is_detached || request->detached_done)
        finding("a thread of request %lld sent a result twice, or was never started", id);
    model_check_value(request, value);
    request->detached_done = true;
    if (request->answered)
        driver->detached_open--;
}

/* -- over time ---------------------------------------------------------------------------------------------------- */

void calls_note_long_waits(struct driver *driver)
{
    static uint64_t noted_at;
    uint64_t now = now_us();
    if (driver->calls_open == 0 || now - noted_at < NOTE_US)
        return;
    noted_at = now;
    for (size_t i = 0; i < CALLS_KEPT; i++) {
        const struct call *call = &driver->calls[i];
        if (is_open(call) && now - call->asked_at > LONG_WAIT_US && strcmp(call->where, "main") == 0)
            driver->last_long_wait = now + NOTE_US; /* it may go on until the next look */
    }
}

void calls_check_quiet(struct driver *driver)
{
    for (size_t i = 0; i < CALLS_KEPT; i++) {
        const struct call *call = &driver->calls[i];
        history_concern(call->request);
        if (call->number > 0 && call->outlived && !call->abandoned)
            finding("call %lld was never abandoned, though request %lld ended without its answer", call->number,
                    call->request);
        history_forget();
    }
}
