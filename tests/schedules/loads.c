/* Lists the kinds of load, with their weights and switches. */
#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "history.h"

static struct load loads[] = {
    {.name = "eval", .weight = 30, .flags = LOAD_NESTED, .make = load_eval},
    {.name = "exec", .weight = 10, .flags = LOAD_NESTED, .make = load_exec},
    {.name = "call", .weight = 15, .flags = LOAD_NESTED, .make = load_call},
    {.name = "bindings", .weight = 5, .make = load_binding},
    {.name = "failure", .weight = 5, .flags = LOAD_NESTED, .make = load_failure},
    {.name = "nap", .weight = 1, .flags = LOAD_NESTED, .make = load_nap},
    {.name = "spin", .weight = 2, .flags = LOAD_NESTED, .make = load_spin},
    {.name = "catch", .weight = 1, .make = load_catch},
    {.name = "output", .weight = 5, .flags = LOAD_NESTED, .make = load_output},
    {.name = "context", .weight = 1, .flags = LOAD_NESTED, .make = load_context},
    {.name = "log", .weight = 3, .flags = LOAD_NESTED, .make = load_log},
    {.name = "reference", .weight = 5, .make = load_reference},
    {.name = "info", .weight = 6, .make = load_info},
    {.name = "coroutine", .weight = 8, .flags = LOAD_NESTED | LOAD_AWAITS, .make = load_coroutine},
    {.name = "deadline", .weight = 3, .flags = LOAD_NESTED | LOAD_AWAITS, .make = load_deadline},
    {.name = "ask", .weight = 10, .flags = LOAD_NESTED, .make = load_ask},
    {.name = "ask_async", .weight = 10, .flags = LOAD_NESTED | LOAD_AWAITS, .make = load_ask_async},
    {.name = "joined", .weight = 4, .make = load_joined},
    {.name = "detached", .weight = 4, .make = load_detached},
    {.name = "stream", .weight = 10, .flags = LOAD_NESTED | LOAD_STREAM, .make = load_stream},
    {.name = "async_stream", .weight = 6, .flags = LOAD_NESTED | LOAD_STREAM | LOAD_AWAITS, .make = load_async_stream},
    {.name = "rows", .weight = 4, .flags = LOAD_NESTED | LOAD_STREAM, .make = load_rows},
    {.name = "asking_stream", .weight = 3, .flags = LOAD_NESTED | LOAD_STREAM, .make = load_asking_stream},
    {.name = "fork", .weight = 1, .make = load_fork},
    {.name = "fork_stream", .weight = 1, .flags = LOAD_STREAM, .make = load_forking_stream},
    {.name = "segment", .weight = 5, .make = load_segment},
    {.name = "receive", .weight = 6, .make = load_receive},
    /* Additions to those above: aborts, options, requests within answers to calls, checks, and ends of sessions. */
    {.name = "cancel", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "timeout", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "unknown", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "leave", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "batch", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "timing", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "concurrent", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "within", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "long", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "depth", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "order", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "warnings", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "fork_status", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "stop", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "end", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "end_replies", .weight = 1, .flags = LOAD_MODIFIER},
    {.name = "hangup", .weight = 1, .flags = LOAD_MODIFIER},
};

#define LOAD_COUNT (sizeof loads / sizeof loads[0])

static struct load *find_load(const char *name, size_t length)
{
    for (size_t i = 0; i < LOAD_COUNT; i++)
        if (strlen(loads[i].name) == length && strncmp(loads[i].name, name, length) == 0)
            return &loads[i];
    finding("no load is called %.*s", (int)length, name);
}

/* Calls `change` for each of the names. */
static void for_each_name(const char *names, void (*change)(struct load *))
{
    while (*names != '\0') {
        size_t length = strcspn(names, ",");
        change(find_load(names, length));
        names += length + (names[length] == ',');
    }
}

static void switch_off(struct load *load)
{
    load->weight = 0;
}

static void mark(struct load *load)
{
    load->weight = -load->weight;
}

void loads_only(const char *names)
{
    for_each_name(names, mark);
    for (size_t i = 0; i < LOAD_COUNT; i++)
        loads[i].weight = loads[i].weight < 0 ? -loads[i].weight : 0;
}

void loads_without(const char *names)
{
    for_each_name(names, switch_off);
}

bool load_is_on(const char *name)
{
    return find_load(name, strlen(name))->weight > 0;
}

static bool is_possible(const struct load *load, const struct call *within, unsigned without)
{
    return (load->flags & (without | LOAD_MODIFIER)) == 0 && (within == NULL || (load->flags & LOAD_NESTED) != 0);
}

static const struct load *choose(struct driver *driver, const struct call *within, unsigned without)
{
    int all = 0;
    for (size_t i = 0; i < LOAD_COUNT; i++)
        all += is_possible(&loads[i], within, without) ? loads[i].weight : 0;
    int left = all == 0 ? 0 : random_below(&driver->random, all);
    for (size_t i = 0; i < LOAD_COUNT && all > 0; i++) {
        if (!is_possible(&loads[i], within, without))
            continue;
        left -= loads[i].weight;
        if (left < 0)
            return &loads[i];
    }
    return NULL;
}

void load_send_any(struct driver *driver, struct call *within, unsigned without)
{
    const struct load *load = choose(driver, within, without);
    struct request *request = load == NULL ? NULL : request_new(driver, load, within);
    if (request == NULL)
        return;
    load->make(driver, request);
    request_send(driver, request);
}

void loads_print(void)
{
    for (size_t i = 0; i < LOAD_COUNT; i++)
        if (loads[i].sent > 0)
            printf("%s%s %llu ok %llu errors", i == 0 ? "" : ", ", loads[i].name, loads[i].ok, loads[i].failed);
    puts("");
}
