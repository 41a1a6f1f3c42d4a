/* Sends requests, cancels them, and does what is due later. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "history.h"

/* -- under way ---------------------------------------------------------------------------------------------------- */

struct request *request_find(struct driver *driver, long long id)
{
    struct request *request = &driver->requests[id & (REQUESTS_KEPT - 1)];
    return id >= driver->first_id && id < driver->next_id && request->id == id ? request : NULL;
}

struct request *request_new(struct driver *driver, const struct load *load, struct call *within)
{
    struct request *request = &driver->requests[driver->next_id & (REQUESTS_KEPT - 1)];
    bool is_taken = request->id >= driver->first_id && request->id > 0 && !request->answered;
    if (is_taken || driver->open_count == OPEN_MAX || driver->phase == PHASE_INPUT_ENDED)
        return NULL;
    *request = (struct request){
        .id = driver->next_id, .load = load, .within = within, .timeout = -1, .segments = -1, .binding = -1};
    request->operation = "eval";
    request->leave_after = -1;
    request->depth = within == NULL ? 0 : within->depth + 1;
    return request;
}

bool request_is_aborted(const struct request *request)
{
    return request->cancelled_at != 0 || request->timeout >= 0;
}

bool request_is_ordered(const struct request *request)
{
    return !request->concurrent && !request->is_stream && request->within == NULL && !request->has_no_options;
}

void request_ended(struct driver *driver, struct request *request)
{
    size_t at = 0;
    while (driver->open[at] != request)
        at++;
    /* Kept in order, the oldest first. */
    memmove(&driver->open[at], &driver->open[at + 1], (driver->open_count - at - 1) * sizeof driver->open[0]);
    driver->open_count--;
    request->answered = true;
}

/* -- sending ------------------------------------------------------------------------------------------------------ */

void send_line(struct driver *driver, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    port_process_send(driver->process, text, span_of("", 0));
}

static void add_option(char *options, const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(options);
    if (length > 2)
        length += (size_t)sprintf(options + length, ", ");
    va_start(arguments, format);
    vsprintf(options + length, format, arguments);
    va_end(arguments);
}

static void write_options(const struct request *request, char options[256])
{
    strcpy(options, "#{");
    if (request->timeout >= 0)
        add_option(options, "timeout => %lld", request->timeout);
    if (request->segments >= 0)
        add_option(options, "segments => %lld", request->segments);
    if (request->binding >= 0)
        add_option(options, "bindings => #{bound => %lld}", request->binding);
    if (request->batch > 0)
        add_option(options, "batch => %d", request->batch);
    if (request->concurrent)
        add_option(options, "concurrent => true");
    if (request->timing)
        add_option(options, "timing => true");
    if (request->returns_ref)
        add_option(options, "return => ref");
    if (request->decodes_bytes)
        add_option(options, "binaries => bytes");
    strcat(options, "}");
}

/* Aborts at random: as soon as the request is sent, while it waits or runs, or when it has ended. */
static void plan_abort(struct driver *driver, struct request *request)
{
    static const int timeouts[] = {0, 1, 5, 40, 40, 300, 30000};
    struct random *random = &driver->random;
    if (request->is_exempt || request->has_no_options)
        return;
    bool must = request->never_ends || request->must_be_aborted;
    bool may_time_out = load_is_on("timeout"), may_cancel = load_is_on("cancel");
    if (may_time_out && random_chance(random, must && !may_cancel ? 100 : 10))
        request->timeout = timeouts[random_below(random, must ? 6 : 7)];
    if (may_cancel && ((must && request->timeout < 0) || random_chance(random, 15)))
        act_later(driver, ACTION_CANCEL, request->id, random_chance(random, 30) ? 0 : must ? 3000 : 8000);
}

static void write_frame(struct driver *driver, const struct request *request)
{
    char text[800], options[256] = "", inner[720];
    if (!request->has_no_options)
        write_options(request, options);
    snprintf(inner, sizeof inner, "{%s, %lld%s%s%s%s}", request->operation, request->id, *request->body ? ", " : "",
             request->body, *options ? ", " : "", options);
    if (request->within == NULL) {
        port_process_send(driver->process, inner, span_of("", 0));
        return;
    }
    snprintf(text, sizeof text, "{within, %%t, %s}", inner);
    port_process_send(driver->process, text, span_of(request->within->key, request->within->key_length));
}

void request_send(struct driver *driver, struct request *request)
{
    driver->next_id++;
    driver->open[driver->open_count++] = request;
    driver->total++;
    if (request->load != NULL)
        ((struct load *)(uintptr_t)request->load)->sent++;
    plan_abort(driver, request);
    if (!request->has_no_options) {
        driver->code_sent++;
        request->timing = load_is_on("timing") && random_chance(&driver->random, 10);
    }
    if (request->within != NULL)
        request->within->within_open++;
    request->after_stop = driver->phase == PHASE_STOPPED;
    request->may_shut_down = driver->phase != PHASE_RUNNING;
    request->sent_at = now_us();
    write_frame(driver, request);
    if (request->is_stream)
        stream_drive(driver, request);
}

void request_cancel(struct driver *driver, struct request *request)
{
    if (!request->answered && request->cancelled_at == 0) {
        request->cancelled_at = now_us();
        driver->aborts++;
    }
    send_line(driver, "{cancel, %lld}", request->id);
    if (random_chance(&driver->random, 10))
        send_line(driver, "{cancel, %lld}", request->id);
}

/* -- later -------------------------------------------------------------------------------------------------------- */

void act_later(struct driver *driver, enum action_kind kind, long long id, int most_us)
{
    if (driver->action_count == ACTIONS_MAX)
        finding("the test has more to do than it has room for");
    uint64_t delay = most_us == 0 ? 0 : (uint64_t)random_below(&driver->random, most_us);
    driver->actions[driver->action_count++] = (struct action){now_us() + delay, kind, id};
}

static void act(struct driver *driver, const struct action *action)
{
    struct request *request = action->kind == ACTION_ANSWER ? NULL : request_find(driver, action->id);
    if (action->kind == ACTION_ANSWER)
        call_answer(driver, &driver->calls[action->id & (CALLS_KEPT - 1)]);
    else if (request != NULL && action->kind == ACTION_CANCEL)
        request_cancel(driver, request);
    else if (request != NULL && !request->answered)
        stream_grant(driver, request);
}

void act_on_due(struct driver *driver)
{
    uint64_t now = now_us();
    for (size_t i = 0; i < driver->action_count;) {
        struct action action = driver->actions[i];
        if (action.due > now) {
            i++;
            continue;
        }
        driver->actions[i] = driver->actions[--driver->action_count];
        act(driver, &action);
    }
}

uint64_t next_due(const struct driver *driver, uint64_t latest)
{
    for (size_t i = 0; i < driver->action_count; i++)
        if (driver->actions[i].due < latest)
            latest = driver->actions[i].due;
    return latest;
}
