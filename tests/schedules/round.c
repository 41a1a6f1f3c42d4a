/* Runs one session: start, load at random with quiet moments, and an end of one of five kinds. */
#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "fields.h"
#include "history.h"
#include "wire/term.h"

#define STEP_US 20000
/* A request that takes this long gets no other load: load that goes on may hide that the port is stuck. */
#define STALL_US ((uint64_t)3 * 1000000)
#define EXIT_US ((uint64_t)15 * 1000000)
/* The time from a reply until the port has counted its request. */
#define SETTLE_US ((uint64_t)1000000)

/* -- frames ------------------------------------------------------------------------------------------------------- */

static void describe_open(const struct driver *driver)
{
    for (size_t i = 0; i < driver->open_count && i < 10; i++) {
        const struct request *request = driver->open[i];
        if (i < 5)
            history_concern(request->id);
        printf("no reply: %lld %s%s%s%s\n", request->id, request->load != NULL ? request->load->name : "own",
               request->within != NULL ? ", within a call" : "", request->concurrent ? ", concurrent" : "",
               request_is_aborted(request) ? ", aborted" : "");
    }
}

static void check_watchdog(struct driver *driver)
{
    if (driver->open_count == 0 || now_us() - driver->open[0]->sent_at < WATCHDOG_US)
        return;
    describe_open(driver);
    const struct request *request = driver->open[0];
    finding("request %lld (%s%s%s) has no reply after %.1f s; %zu others wait, and %zu calls", request->id,
            request->load ? request->load->name : "own", request->within ? ", within a call" : "",
            request_is_aborted(request) ? ", aborted" : "", (double)(now_us() - request->sent_at) / 1e6,
            driver->open_count - 1, driver->calls_open);
}

/* Takes one frame, waiting for at most STEP_US. Returns false at the end of the output. */
static bool step(struct driver *driver, bool waits)
{
    struct frame frame = {0};
    uint64_t now = now_us();
    enum frame_status status =
        port_process_next(driver->process, waits ? next_due(driver, now + STEP_US) : now, &frame);
    if (status == FRAME_END)
        return false;
    if (status == FRAME_READY) {
        history_received(frame.bytes, frame.length);
        model_take_frame(driver, span_of(frame.bytes, frame.length));
        frame_free(&frame);
    } else if (status != FRAME_WAIT) {
        finding("the port's output is broken (%d)", status);
    }
    act_on_due(driver);
    calls_note_long_waits(driver);
    check_watchdog(driver);
    return true;
}

static void step_alive(struct driver *driver, bool waits)
{
    if (!step(driver, waits))
        finding("the session ended by itself, with status %d", port_process_wait(driver->process, now_us() + EXIT_US));
}

static bool is_stalled(const struct driver *driver)
{
    return driver->open_count > 0 && now_us() - driver->open[0]->sent_at > STALL_US;
}

/* -- quiet moments ------------------------------------------------------------------------------------------------ */

static void wait_until_idle(struct driver *driver)
{
    uint64_t limit = now_us() + 2 * WATCHDOG_US;
    while (driver->open_count > 0 || driver->calls_open > 0 || driver->detached_open > 0 || driver->action_count > 0) {
        step_alive(driver, true);
        if (now_us() > limit)
            finding("it does not become quiet: %zu requests, %zu calls, %zu threads", driver->open_count,
                    driver->calls_open, driver->detached_open);
    }
}

static void check_counts(struct driver *driver, struct request *request, struct span value)
{
    static const char *const at_zero[] = {"queued", "tasks", "streams", "calls"};
    bool is_late = request->sent_at - (uint64_t)request->number > SETTLE_US;
    driver->is_quiet = true;
    for (size_t i = 0; i < 4; i++) {
        long long count = map_get_integer(value, at_zero[i]);
        driver->is_quiet = driver->is_quiet && count == 0;
        if (is_late && count != 0)
            finding("nothing is under way, but info has %s => %lld", at_zero[i], count);
    }
    long long begun = map_get_integer(value, "requests"), errors = map_get_integer(value, "errors");
    if (begun < driver->code_surely_begun || begun > driver->code_sent)
        finding("info has requests => %lld, where %lld to %lld have begun", begun, driver->code_surely_begun,
                driver->code_sent);
    if (errors != driver->errors)
        finding("info has errors => %lld, where %lld came", errors, driver->errors);
}

static void be_quiet(struct driver *driver)
{
    uint64_t since;
    wait_until_idle(driver);
    since = now_us();
    driver->is_quiet = false;
    while (!driver->is_quiet) {
        struct request *request = request_new(driver, NULL, NULL);
        request->operation = "info";
        request->has_no_options = true;
        request->on_reply = check_counts;
        request->number = (long long)since;
        request_send(driver, request);
        wait_until_idle(driver);
    }
    calls_check_quiet(driver);
}

/* -- load --------------------------------------------------------------------------------------------------------- */

static void cancel_at_random(struct driver *driver)
{
    int back = random_below(&driver->random, 300);
    struct request *request = request_find(driver, driver->next_id - 1 - back);
    if (request == NULL || request->answered)
        send_line(driver, "{cancel, %lld}", request == NULL ? driver->next_id + 1000000 : request->id);
}

static void run_load(struct driver *driver, uint64_t until)
{
    uint64_t next_window = 0;
    size_t window = 1;
    while (now_us() < until) {
        if (now_us() > next_window) {
            window = (size_t)(random_chance(&driver->random, 30) ? 1 : random_between(&driver->random, 2, 50));
            next_window = now_us() + (uint64_t)random_between(&driver->random, 1, 100) * 1000;
        }
        bool is_full =
            driver->open_count >= window || is_stalled(driver) || port_process_unwritten(driver->process) > 100000;
        if (!is_full)
            load_send_any(driver, NULL, 0);
        if (load_is_on("unknown") && random_chance(&driver->random, 2))
            cancel_at_random(driver);
        step_alive(driver, is_full);
    }
}

/* -- start and end ------------------------------------------------------------------------------------------------ */

static void begin(struct driver *driver, const struct round_options *options)
{
    memset(driver->requests, 0, sizeof driver->requests);
    memset(driver->calls, 0, sizeof driver->calls);
    memset(driver->order, 0, sizeof driver->order);
    driver->open_count = driver->calls_open = driver->detached_open = driver->action_count = 0;
    driver->code_sent = driver->code_surely_begun = driver->errors = 0;
    driver->last_long_wait = driver->slow_until = 0;
    driver->phase = PHASE_RUNNING;
    driver->sessions++;
    driver->process = port_process_start(options->program, options->python, options->schedule_seed);
    driver->first_id = driver->next_id;
}

static void note_numpy(struct driver *driver, struct request *request, struct span value)
{
    struct term_head head;
    (void)request;
    driver->has_numpy = term_read_head(&value, &head) == TERM_OK && term_is_atom(&head, "true");
}

static void send_definitions(struct driver *driver, const struct round_options *options)
{
    struct frame frame = {0};
    if (port_process_next(driver->process, now_us() + EXIT_US, &frame) != FRAME_READY)
        finding("the session did not start");
    history_received(frame.bytes, frame.length);
    frame_free(&frame);
    port_process_send_file(driver->process, 0, options->definitions);
    if (port_process_next(driver->process, now_us() + EXIT_US, &frame) != FRAME_READY)
        finding("%s: no reply", options->definitions);
    history_received(frame.bytes, frame.length);
    if (frame.length < 6 || memcmp(frame.bytes + 5, "ok", 2) != 0)
        finding("%s: it fails", options->definitions);
    frame_free(&frame);
    driver->code_sent++;
    driver->code_surely_begun++;
    struct request *request = request_new(driver, NULL, NULL);
    strcpy(request->body, "'numpy is not None'");
    request->on_reply = note_numpy;
    request->is_exempt = true;
    request_send(driver, request);
    wait_until_idle(driver);
}

static void send_stop(struct driver *driver, enum phase phase)
{
    struct request *stop = phase == PHASE_STOPPED ? request_new(driver, NULL, NULL) : NULL;
    if (stop != NULL) {
        stop->operation = "stop";
        stop->has_no_options = true;
        strcpy(stop->expected, "nil");
        request_send(driver, stop);
    }
    driver->phase = stop != NULL ? PHASE_STOPPED : PHASE_INPUT_ENDED;
    for (size_t i = 0; i < driver->open_count; i++) {
        struct request *request = driver->open[i];
        request->may_shut_down = request->awaits || request->concurrent || request->is_stream ||
                                 request->within != NULL || driver->phase == PHASE_INPUT_ENDED;
    }
    if (driver->phase == PHASE_INPUT_ENDED)
        port_process_close_input(driver->process);
}

static bool has_lost_reply(const struct driver *driver)
{
    return driver->open_count > 0 && (driver->phase == PHASE_STOPPED || load_is_on("end_replies"));
}

static void finish(struct driver *driver, int most_status)
{
    while (step(driver, true))
        continue;
    if (has_lost_reply(driver)) {
        describe_open(driver);
        finding("the session ended, and %zu requests had no reply, first %lld", driver->open_count,
                driver->open[0]->id);
    }
    int status = port_process_wait(driver->process, now_us() + EXIT_US);
    if (status != 0 && status != most_status)
        finding("the session ended with status %d", status);
}

static void hang_up(struct driver *driver)
{
    bool is_cut = port_process_unwritten(driver->process) > 0;
    port_process_hang_up(driver->process);
    int status = port_process_wait(driver->process, now_us() + EXIT_US);
    if (status != 0 && status != 4 && !(is_cut && status == 3))
        finding("the session ended with status %d, after its client had gone", status);
}

static void end(struct driver *driver)
{
    bool has_work = random_chance(&driver->random, 60);
    int choice = random_below(&driver->random, 10);
    if (!has_work)
        be_quiet(driver);
    if (choice < 2 && load_is_on("hangup"))
        return hang_up(driver);
    enum phase phase = choice < 4 && load_is_on("end") ? PHASE_INPUT_ENDED : PHASE_STOPPED;
    if (phase == PHASE_STOPPED && has_work && !load_is_on("stop"))
        be_quiet(driver);
    send_stop(driver, phase);
    if (driver->phase == PHASE_STOPPED && has_work && load_is_on("stop"))
        for (int i = 0; i < 5; i++)
            load_send_any(driver, NULL, 0);
    finish(driver, driver->phase == PHASE_INPUT_ENDED ? 4 : 0);
}

void round_run(struct driver *driver, const struct round_options *options)
{
    begin(driver, options);
    send_definitions(driver, options);
    int quiet_moments = random_between(&driver->random, 1, 3);
    for (int i = 0; i < quiet_moments && now_us() < driver->until; i++) {
        uint64_t length = (uint64_t)random_between(&driver->random, 50, 1500) * 1000;
        run_load(driver, now_us() + length);
        if (i + 1 < quiet_moments)
            be_quiet(driver);
    }
    end(driver);
    port_process_free(driver->process);
}
