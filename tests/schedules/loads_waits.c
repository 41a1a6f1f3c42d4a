/* Sends requests that wait: coroutines, calls to the BEAM, threads, streams. */
#include <stdio.h>
#include <string.h>

#include "driver.h"

static void set_waiting(struct request *request, const char *format, const char *argument)
{
    snprintf(request->body, sizeof request->body, format, argument, request->id);
    snprintf(request->expected, sizeof request->expected, "%lld", request->id);
    request->has_ticks = true;
}

static void set_awaiting(struct driver *driver, struct request *request)
{
    request->awaits = true;
    request->concurrent = load_is_on("concurrent") && random_chance(&driver->random, 50);
}

void load_coroutine(struct driver *driver, struct request *request)
{
    char seconds[16];
    snprintf(seconds, sizeof seconds, "0.%04d",
             random_below(&driver->random, random_chance(&driver->random, 90) ? 8 : 90));
    if (random_chance(&driver->random, 30))
        set_waiting(request, "'await async_chain(%.0s%lld)'", "");
    else if (random_chance(&driver->random, 50))
        set_waiting(request, "'await async_nap(%s, %lld)'", seconds);
    else
        set_waiting(request, "'async_nap(%s, %lld)'", seconds);
    set_awaiting(driver, request);
}

/* A coroutine whose time is up about when it ends. */
void load_deadline(struct driver *driver, struct request *request)
{
    char seconds[16];
    int timeout = random_between(&driver->random, 2, 40);
    snprintf(seconds, sizeof seconds, "%.5f", (timeout - 1.5 + 0.04 * random_below(&driver->random, 50)) / 1000.0);
    set_waiting(request, "'await async_nap(%s, %lld)'", seconds);
    set_awaiting(driver, request);
    request->concurrent = load_is_on("concurrent") && random_chance(&driver->random, 90);
    if (load_is_on("timeout"))
        request->timeout = timeout;
}

/* -- calls to the BEAM -------------------------------------------------------------------------------------------- */

static void set_asking(struct request *request, const char *format)
{
    snprintf(request->body, sizeof request->body, format, request->id);
    request->asks = true;
    request->has_ticks = true;
}

void load_ask(struct driver *driver, struct request *request)
{
    (void)driver;
    set_asking(request, "'ask(%lld)'");
}

void load_ask_async(struct driver *driver, struct request *request)
{
    set_asking(request, "'await async_ask(%lld)'");
    set_awaiting(driver, request);
}

void load_joined(struct driver *driver, struct request *request)
{
    (void)driver;
    set_asking(request, "'ask_on_thread(%lld)'");
}

void load_detached(struct driver *driver, struct request *request)
{
    (void)driver;
    set_asking(request, "'ask_detached(%lld)'");
    request->is_detached = true;
    request->is_exempt = true;
}

/* -- streams ------------------------------------------------------------------------------------------------------ */

static void set_stream(struct driver *driver, struct request *request, const char *function)
{
    struct random *random = &driver->random;
    request->operation = "stream";
    request->is_stream = true;
    /* One of its own, as the finally clause notes it; or a small one, for which lists come as strings. */
    request->first = request->closes ? request->id * 1000 : random_below(random, 400);
    request->count = random_chance(random, 20) ? random_below(random, 300) : random_between(random, 1, 12);
    if (load_is_on("leave") && random_chance(random, 25))
        request->leave_after = random_below(random, (int)request->count + 1);
    if (load_is_on("batch") && random_chance(random, 40))
        request->batch = random_between(random, 1, 20);
    snprintf(request->body, sizeof request->body, "'%s(%lld, %lld)'", function, request->first, request->count);
    strcpy(request->expected, "nil");
}

void load_stream(struct driver *driver, struct request *request)
{
    static const char *const functions[] = {"items", "slow_items", "closing_items"};
    int which = random_below(&driver->random, 3);
    request->closes = which == 2;
    set_stream(driver, request, functions[which]);
}

void load_async_stream(struct driver *driver, struct request *request)
{
    request->closes = true;
    request->awaits = true;
    set_stream(driver, request, "async_items");
}

void load_rows(struct driver *driver, struct request *request)
{
    set_stream(driver, request, "row_items");
    if (request->count == 0) { /* the query has one row at least */
        request->count = 1;
        snprintf(request->body, sizeof request->body, "'row_items(%lld, 1)'", request->first);
    }
}

void load_asking_stream(struct driver *driver, struct request *request)
{
    set_stream(driver, request, "asking_items");
}

void load_forking_stream(struct driver *driver, struct request *request)
{
    set_stream(driver, request, "forking_items");
}
