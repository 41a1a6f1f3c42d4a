/* Checks replies and the other events against what was sent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "fields.h"
#include "history.h"
#include "terms.h"
#include "wire/term.h"

/* A timer of the port may count in whole milliseconds, from a clock that was read just before. */
#define CLOCK_SLACK_US 1000

/* -- values ------------------------------------------------------------------------------------------------------- */

void model_check_value(const struct request *request, struct span value)
{
    char *text = terms_show(value);
    if (strcmp(text, request->expected) != 0) {
        history_concern(request->id);
        finding("request %lld (%s): the value is %s, not %s", request->id, request->load ? request->load->name : "own",
                text, *request->expected ? request->expected : "known yet: its call was not answered");
    }
    free(text);
}

/* Returns true if the main thread may have run this while another request waited for the BEAM. */
static bool may_have_overlapped(const struct driver *driver, uint64_t since)
{
    return driver->last_long_wait >= since || !load_is_on("order");
}

/* While the main thread waits for the BEAM for long, one request may run inside the waiting one, and then another one,
 * but none inside these. Returns the depth of a request that began and ended at these ticks. */
static int check_depth(const struct driver *driver, const struct request *request, long long begin, long long end)
{
    int depth = 1;
    for (size_t i = 0; i < ORDER_KEPT; i++) {
        bool is_inside = driver->order[i].begin > begin && driver->order[i].end < end;
        if (is_inside && driver->order[i].depth >= depth)
            depth = driver->order[i].depth + 1;
    }
    if (depth > 2 && load_is_on("depth")) {
        for (size_t i = 0; i < ORDER_KEPT; i++)
            if (driver->order[i].begin > begin && driver->order[i].end < end)
                history_concern(driver->order[i].id);
        finding("request %lld: others ran inside of it, %d deep", request->id, depth - 1);
    }
    return depth;
}

/* Each request that others wait for must have ended before a later one begins. */
void model_check_order(struct driver *driver, struct request *request, long long begin, long long end)
{
    if (!request_is_ordered(request))
        return;
    for (size_t i = 0; i < ORDER_KEPT; i++) {
        long long other = driver->order[i].id;
        bool is_earlier = other > 0 && other < request->id;
        if (is_earlier && driver->order[i].end > begin && !may_have_overlapped(driver, driver->order[i].sent_at)) {
            history_concern(other);
            history_concern(request->id);
            finding("request %lld began (at %lld) before %lld had ended (at %lld)", request->id, begin, other,
                    driver->order[i].end);
        }
    }
    size_t at = driver->ordered++ % ORDER_KEPT;
    driver->order[at].depth = check_depth(driver, request, begin, end);
    driver->order[at].id = request->id;
    driver->order[at].begin = begin;
    driver->order[at].end = end;
    driver->order[at].sent_at = request->sent_at;
}

/* The reply of a request that has run must come after those of the requests that it waited for. */
static void check_reply_order(struct driver *driver, const struct request *request)
{
    for (size_t i = 0; request_is_ordered(request) && driver->open[i] != request; i++) {
        const struct request *other = driver->open[i];
        /* A request that is aborted in the queue is answered by another thread, which may come later. */
        if (!request_is_ordered(other) || request_is_aborted(other) || may_have_overlapped(driver, other->sent_at))
            continue;
        history_concern(other->id);
        history_concern(request->id);
        finding("request %lld was done before %lld, which came earlier", request->id, other->id);
    }
}

/* -- replies ------------------------------------------------------------------------------------------------------ */

static void check_events(const struct request *request, bool is_ok)
{
    size_t length = strlen(request->output);
    if (strncmp(request->output, request->output_due, length) != 0 ||
        (is_ok && strcmp(request->output, request->output_due) != 0))
        finding("request %lld: its output was '%s' when the reply came, not '%s'", request->id, request->output,
                request->output_due);
    if (request->logs > request->logs_due || (is_ok && request->logs < request->logs_due))
        finding("request %lld: %d log records when the reply came, not %d", request->id, request->logs,
                request->logs_due);
    if (request->timing && !request->was_timed && is_ok)
        finding("request %lld: no timing before the reply", request->id);
}

static void check_ok(struct driver *driver, struct request *request, struct span value)
{
    if (request->never_ends)
        finding("request %lld: came to an end on its own", request->id);
    if (request->error_kind != NULL)
        finding("request %lld: ok, where an error of kind %s is due", request->id, request->error_kind);
    if (request->after_stop && request->within == NULL && !request->has_no_options)
        finding("request %lld: has run, though it came after `stop`", request->id);
    check_reply_order(driver, request);
    if (request->has_ticks) {
        if (take_tuple(&value) != 3)
            finding("request %lld: no value with its ticks", request->id);
        long long begin = take_integer(&value);
        struct span inner = take_term(&value);
        model_check_order(driver, request, begin, take_integer(&value));
        value = inner;
    }
    if (request->on_reply == NULL && !request->is_detached)
        model_check_value(request, value);
}

/* Within a call that blocks the event loop, or on a thread other than the main one, a request cannot await. */
static bool may_not_await(const struct driver *driver, const struct request *request)
{
    bool is_blocked = request->within != NULL && strcmp(request->within->where, "async") != 0;
    return is_blocked || may_have_overlapped(driver, request->sent_at);
}

static bool may_fail_so(const struct driver *driver, const struct request *request, const char *kind,
                        const char *message)
{
    uint64_t elapsed = now_us() - request->sent_at;
    if (strcmp(kind, "cancelled") == 0)
        return request->cancelled_at != 0;
    if (strcmp(kind, "timeout") == 0)
        return request->timeout >= 0 && elapsed + CLOCK_SLACK_US >= (uint64_t)request->timeout * 1000;
    if (strcmp(kind, "shutdown") == 0)
        return request->may_shut_down;
    if (request->awaits && strstr(message, "cannot await anything") != NULL)
        return may_not_await(driver, request);
    return request->error_kind != NULL && strcmp(kind, request->error_kind) == 0 &&
           strstr(message, request->error_text) != NULL;
}

static void check_error(struct driver *driver, struct request *request, struct span map)
{
    char kind[WORD_MAX], message[300];
    struct span kind_term = map_get(map, "kind"), message_term = map_get(map, "message");
    take_atom(&kind_term, kind);
    struct span text = take_binary(&message_term);
    snprintf(message, sizeof message, "%.*s", (int)text.length, (const char *)text.bytes);
    driver->errors++;
    if (!may_fail_so(driver, request, kind, message))
        finding("request %lld (%s, timeout %lld, %s, after %llu us): ended with kind %s: %s", request->id,
                request->load ? request->load->name : "own", request->timeout,
                request->cancelled_at ? "cancelled" : "not cancelled",
                (unsigned long long)(now_us() - request->sent_at), kind, message);
}

static void count_reply(struct driver *driver, const struct request *request, bool is_ok)
{
    struct load *load = (struct load *)(uintptr_t)request->load;
    if (load != NULL && is_ok)
        load->ok++;
    else if (load != NULL)
        load->failed++;
    if (is_ok && !request->has_no_options)
        driver->code_surely_begun++;
}

/* After this no frame may be about the request. */
static void take_reply(struct driver *driver, struct span *frame, bool is_ok)
{
    struct span id_term = take_term(frame), value = take_term(frame);
    long long id = -1;
    bool has_id = is_integer(id_term, &id);
    struct request *request = has_id ? request_find(driver, id) : NULL;
    history_concern(id);
    if (request == NULL)
        finding("a reply to %lld, which was not asked (or too long ago)", id);
    if (request->answered)
        finding("request %lld: a second reply", id);
    count_reply(driver, request, is_ok);
    check_events(request, is_ok);
    if (is_ok)
        check_ok(driver, request, value);
    else
        check_error(driver, request, value);
    if (request->is_stream)
        stream_check_end(driver, request, is_ok);
    history_forget();
    request_ended(driver, request);
    if (request->is_detached && is_ok && !request->detached_done)
        driver->detached_open++;
    if (request->on_reply != NULL)
        request->on_reply(driver, request, is_ok ? value : span_of("", 0));
    if (request->on_ended != NULL)
        request->on_ended(driver, request, value);
    if (request->within != NULL)
        call_within_ended(driver, request->within);
}

/* -- other events ------------------------------------------------------------------------------------------------- */

/* Returns the request that an event belongs to; NULL for nil. */
static struct request *take_owner(struct driver *driver, struct span *frame, const char *event)
{
    struct span term = take_term(frame);
    long long id;
    if (!is_integer(term, &id))
        return NULL;
    struct request *request = request_find(driver, id);
    history_concern(id);
    if (request == NULL || request->answered)
        finding("%s for %lld, which is not under way", event, id);
    history_forget();
    return request;
}

static void take_output(struct driver *driver, struct span *frame)
{
    char stream[WORD_MAX];
    struct request *request = take_owner(driver, frame, "output");
    take_atom(frame, stream);
    struct span text = take_binary(frame);
    if (request == NULL)
        finding("output of no request: %.*s", (int)text.length, (const char *)text.bytes);
    size_t length = strlen(request->output);
    snprintf(request->output + length, sizeof request->output - length, "%.*s", (int)text.length,
             (const char *)text.bytes);
}

/* A coroutine that user code created (erlang.call_async's, too), and aborted before it was awaited: Python warns when
 * it is freed, which may be later and elsewhere. The engine must await, or close, its own ones. */
static bool is_unawaited(struct span text)
{
    static const char end[] = "was never awaited";
    size_t length = sizeof end - 1;
    return text.length > length && memcmp(text.bytes + text.length - length, end, length) == 0 &&
           (!load_is_on("warnings") || memmem(text.bytes, text.length, "async", 5) != NULL);
}

static void take_log(struct driver *driver, struct span *frame)
{
    char level[WORD_MAX], due[60];
    struct span owner = *frame;
    take_term(frame);
    take_atom(frame, level);
    struct span message = map_get(*frame, "message"), text = take_binary(&message);
    if (is_unawaited(text))
        return;
    struct request *request = take_owner(driver, &owner, "a log record");
    snprintf(due, sizeof due, "log %lld %d", request == NULL ? -1 : request->id, request == NULL ? 0 : request->logs);
    if (text.length != strlen(due) || memcmp(text.bytes, due, text.length) != 0)
        finding("a log record '%.*s', where '%s' is due", (int)text.length, (const char *)text.bytes, due);
    request->logs++;
}

static void take_timing(struct driver *driver, struct span *frame)
{
    struct request *request = take_owner(driver, frame, "timing");
    if (request == NULL || !request->timing || request->was_timed)
        finding("timing that was not asked for");
    request->was_timed = true;
}

void model_take_frame(struct driver *driver, struct span frame)
{
    char event[WORD_MAX];
    uint8_t version;
    if (!span_take_u8(&frame, &version) || version != TERM_VERSION)
        finding("a frame without a term");
    take_tuple(&frame);
    take_atom(&frame, event);
    if (strcmp(event, "ok") == 0)
        take_reply(driver, &frame, true);
    else if (strcmp(event, "error") == 0)
        take_reply(driver, &frame, false);
    else if (strcmp(event, "yield") == 0)
        stream_items(driver, &frame, false);
    else if (strcmp(event, "yields") == 0)
        stream_items(driver, &frame, true);
    else if (strcmp(event, "invoke") == 0)
        call_asked(driver, &frame);
    else if (strcmp(event, "abandoned") == 0)
        call_abandoned(driver, &frame);
    else if (strcmp(event, "output") == 0)
        take_output(driver, &frame);
    else if (strcmp(event, "log") == 0)
        take_log(driver, &frame);
    else if (strcmp(event, "send") == 0)
        call_sent_result(driver, &frame);
    else if (strcmp(event, "timing") == 0)
        take_timing(driver, &frame);
    else
        finding("an event that was not asked for: %s", event);
}
