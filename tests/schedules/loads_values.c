/* Sends requests that run from their beginning to their end on one thread. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "fields.h"
#include "history.h"

/* A value as Python writes it, and as terms.h does. */
static const struct {
    const char *python, *notation;
} values[] = {
    {"None", "nil"},
    {"\"text\"", "'text'"},
    {"[1, 2.5, None]", "[1,2.5,nil]"},
    {"(True, [], ())", "{true,[],{}}"},
    {"{\"a\": (1, b\"b\")}", "#{'a'=>{1,'b'}}"},
    {"-2 ** 40", "-1099511627776"},
};

static void set_body(struct request *request, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void set_body(struct request *request, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(request->body, sizeof request->body, format, arguments);
    va_end(arguments);
}

static void expect_number(struct request *request, long long number)
{
    snprintf(request->expected, sizeof request->expected, "%lld", number);
    request->has_ticks = true;
}

void load_eval(struct driver *driver, struct request *request)
{
    int which = random_below(&driver->random, 12);
    if (which >= 6) {
        set_body(request, "'plain(%lld)'", request->id);
        expect_number(request, request->id);
        return;
    }
    set_body(request, "'plain(%s)'", values[which].python);
    snprintf(request->expected, sizeof request->expected, "%s", values[which].notation);
    request->has_ticks = true;
}

void load_exec(struct driver *driver, struct request *request)
{
    request->operation = random_chance(&driver->random, 50) ? "exec" : "eval";
    set_body(request, "'last = %lld'", request->id);
    strcpy(request->expected, "nil");
}

void load_call(struct driver *driver, struct request *request)
{
    request->operation = "call";
    if (random_chance(&driver->random, 30)) {
        set_body(request, "'math.gcd', [%d, 60], #{}", 60 * random_between(&driver->random, 1, 9));
        strcpy(request->expected, "60");
        return;
    }
    bool by_name = random_chance(&driver->random, 50);
    set_body(request, by_name ? "'plain', [], #{value => %lld}" : "'plain', [%lld], #{}", request->id);
    expect_number(request, request->id);
}

/* The name is assigned as the request begins, so that no other can have changed it. */
void load_binding(struct driver *driver, struct request *request)
{
    (void)driver;
    request->binding = request->id;
    set_body(request, "'plain(bound)'");
    expect_number(request, request->id);
}

void load_failure(struct driver *driver, struct request *request)
{
    switch (random_below(&driver->random, 5)) {
    case 0:
        set_body(request, "'1 +'");
        request->error_kind = "syntax";
        break;
    case 1:
        set_body(request, "'object()'");
        request->error_kind = "unencodable";
        break;
    case 2:
        set_body(request, "'import sys; sys.exit(5)'");
        request->error_kind = "exception";
        break;
    case 3:
        request->operation = "call";
        set_body(request, "'nowhere.nothing', [], #{}");
        request->error_kind = "exception";
        break;
    default:
        set_body(request, "'fail(%lld)'", request->id);
        request->error_kind = "exception";
        snprintf(request->error_text, sizeof request->error_text, "failure %lld", request->id);
    }
}

void load_nap(struct driver *driver, struct request *request)
{
    set_body(request, "'nap(0.00%d, %lld)'", random_below(&driver->random, 6), request->id);
    expect_number(request, request->id);
}

void load_spin(struct driver *driver, struct request *request)
{
    if (!load_is_on("cancel") && !load_is_on("timeout"))
        return load_nap(driver, request);
    set_body(request, "'spin_forever()'");
    request->never_ends = true;
}

/* Goes on after the abort, and returns a value; or is aborted before it can. */
void load_catch(struct driver *driver, struct request *request)
{
    if (!load_is_on("cancel") && !load_is_on("timeout"))
        return load_nap(driver, request);
    request->must_be_aborted = true;
    set_body(request, "'catch(%lld)'", request->id);
    expect_number(request, request->id);
}

void load_output(struct driver *driver, struct request *request)
{
    static const char *const functions[] = {"say", "say_on_thread", "await async_say"};
    int lines = random_between(&driver->random, 1, 4);
    int which = request->within != NULL ? 0 : random_below(&driver->random, 3);
    request->is_exempt = which == 1; /* its thread would write after the reply */
    for (int line = 0; line < lines; line++) {
        size_t length = strlen(request->output_due);
        snprintf(request->output_due + length, sizeof request->output_due - length, "out %lld %d\n", request->id, line);
    }
    set_body(request, "'%s(%lld, %d)'", functions[which], request->id, lines);
    request->awaits = which == 2;
    request->concurrent = which == 2 && load_is_on("concurrent") && random_chance(&driver->random, 50);
    expect_number(request, request->id);
}

/* Code in a context of its own, where the request's context variables are not set. */
void load_context(struct driver *driver, struct request *request)
{
    if (random_chance(&driver->random, 50)) {
        load_spin(driver, request);
        if (request->never_ends)
            set_body(request, "'in_context(spin_forever)'");
        return;
    }
    snprintf(request->output_due, sizeof request->output_due, "out %lld 0\n", request->id);
    set_body(request, "'in_context(say, %lld, 1)'", request->id);
    expect_number(request, request->id);
}

void load_log(struct driver *driver, struct request *request)
{
    request->logs_due = random_between(&driver->random, 1, 3);
    set_body(request, "'log(%lld, %d)'", request->id, request->logs_due);
    expect_number(request, request->id);
}

/* -- references --------------------------------------------------------------------------------------------------- */

static void release_reference(struct driver *driver, struct request *request, struct span value)
{
    (void)value;
    driver->code_sent++; /* counted as a request */
    send_line(driver, "{release, [%lld]}", request->number);
}

static void use_reference(struct driver *driver, struct request *request, struct span value)
{
    struct request *use = value.length == 0 ? NULL : request_new(driver, request->load, NULL);
    if (use == NULL)
        return;
    use->number = map_get_integer(value, "ref");
    use->operation = "call";
    set_body(use, "'plain', [{$ref, %lld}], #{}", use->number);
    snprintf(use->expected, sizeof use->expected, "%lld", request->id);
    use->has_ticks = true;
    use->on_ended = release_reference;
    request_send(driver, use);
}

void load_reference(struct driver *driver, struct request *request)
{
    (void)driver;
    set_body(request, "'identity(%lld)'", request->id);
    request->returns_ref = true;
    request->on_reply = use_reference;
}

/* -- others ------------------------------------------------------------------------------------------------------- */

static void check_info(struct driver *driver, struct request *request, struct span value)
{
    static const char *const keys[] = {"queued", "tasks", "streams", "calls", "requests", "errors"};
    (void)driver;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (value.length > 0 && map_get_integer(value, keys[i]) < 0)
            finding("request %lld: %s is negative", request->id, keys[i]);
}

void load_info(struct driver *driver, struct request *request)
{
    (void)driver;
    request->operation = "info";
    request->has_no_options = true;
    request->on_reply = check_info;
}

void load_fork(struct driver *driver, struct request *request)
{
    static const struct {
        const char *how;
        int status;
    } ends[] = {{"exit", 7}, {"sys_exit", 3}, {"raise", 1}};
    int which = load_is_on("fork_status") ? random_below(&driver->random, 3) : 0;
    set_body(request, "'fork(\"%s\", 7)'", ends[which].how);
    expect_number(request, ends[which].status);
}
