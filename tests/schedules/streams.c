/* Grants items of streams in pieces of random size, and checks that no more than these come, in order. */
#include <stdio.h>

#include "driver.h"
#include "fields.h"
#include "history.h"

#define BATCH_MAX 64

void stream_grant(struct driver *driver, struct request *request)
{
    int piece = random_chance(&driver->random, 10) ? 40 : random_between(&driver->random, 1, 6);
    request->granted += piece;
    send_line(driver, "{next, %lld, %d}", request->id, piece);
}

static bool has_grant_planned(const struct driver *driver, const struct request *request)
{
    for (size_t i = 0; i < driver->action_count; i++)
        if (driver->actions[i].kind == ACTION_GRANT && driver->actions[i].id == request->id)
            return true;
    return false;
}

/* Goes on with a stream; must be called when it was sent, and whenever items have come. */
void stream_drive(struct driver *driver, struct request *request)
{
    struct random *random = &driver->random;
    if (request->cancelled_at != 0 || has_grant_planned(driver, request))
        return;
    if (request->leave_after >= 0 && request->received >= request->leave_after) {
        request_cancel(driver, request);
        return;
    }
    if (request->granted > request->received && !random_chance(random, 5))
        return;
    if (random_chance(random, 70))
        stream_grant(driver, request);
    else
        act_later(driver, ACTION_GRANT, request->id, 4000);
}

static void check_items(struct driver *driver, struct request *request, const long long *items, size_t count)
{
    history_concern(request->id);
    for (size_t i = 0; i < count; i++, request->received++)
        if (items[i] != request->first + request->received)
            finding("stream %lld: item %lld where %lld is due", request->id, items[i],
                    request->first + request->received);
    if (request->received > request->granted)
        finding("stream %lld: %lld items, but %lld were granted", request->id, request->received, request->granted);
    if (request->received > request->count)
        finding("stream %lld: %lld items, but it has %lld", request->id, request->received, request->count);
    history_forget();
    driver->items_total += count;
}

void stream_items(struct driver *driver, struct span *event, bool is_batch)
{
    long long items[BATCH_MAX];
    long long id = take_integer(event);
    struct request *request = request_find(driver, id);
    if (request == NULL || !request->is_stream)
        finding("an item of %lld, which is no stream", id);
    if (request->answered) {
        history_concern(id);
        finding("stream %lld: an item after the reply", id);
    }
    size_t count = 1;
    if (is_batch)
        count = take_integers(event, items, BATCH_MAX);
    else
        items[0] = take_integer(event);
    if (count == 0 || count > (size_t)(request->batch > 0 ? request->batch : 1)) {
        history_concern(id);
        finding("stream %lld: %zu items at once, with batch => %d", id, count, request->batch);
    }
    check_items(driver, request, items, count);
    stream_drive(driver, request);
}

static void check_closed(struct driver *driver, const struct request *stream)
{
    struct request *request = request_new(driver, NULL, NULL);
    if (request == NULL)
        return;
    request->is_exempt = true;
    request->number = stream->id;
    snprintf(request->body, sizeof request->body, "'%lld in closed'", stream->first);
    snprintf(request->expected, sizeof request->expected, "true");
    request_send(driver, request);
}

/* The finally clause of a generator that had begun has run before the reply. */
void stream_check_end(struct driver *driver, struct request *request, bool is_ok)
{
    if (is_ok && request->received != request->count)
        finding("stream %lld: ended after %lld of %lld items", request->id, request->received, request->count);
    if (is_ok && request->granted <= request->count)
        finding("stream %lld: its end came without being asked for", request->id);
    if (request->closes && request->received > 0 && driver->phase == PHASE_RUNNING)
        check_closed(driver, request);
}
