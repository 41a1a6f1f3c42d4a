/* Drives pythonx_port with load of all kinds at random, session after session, against a model of the protocol.
 *
 *   mixed_load [options] [PROGRAM]      the port; else $PYTHONX_PORT
 *     --seconds S     how long (10)
 *     --seed N        what is random; printed, and with the same one the same requests are chosen as far as the port
 *                     answers in the same order
 *     --schedule      sets PYTHONX_SCHEDULE_SEED for a port with schedule points
 *     --python PATH   the port's Python
 *     --only A,B  --without A,B   switches kinds of load (loads.c) on and off
 *     --definitions FILE          mixed_load.py
 *     --frames FILE               where all frames of the session go at a finding
 *
 * Ends with status 1, the seed and the frames when an answer is not one that PROTOCOL.md allows. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"
#include "history.h"

static struct driver driver;
static unsigned long long seed;
static const char *schedule_seed, *frames_path;
static char **command;

static void report_finding(void)
{
    if (driver.process != NULL) {
        const char *errors = port_process_errors(driver.process);
        printf("%s%s\n", *errors ? "what the port wrote to stderr:\n" : "", errors);
        if (getenv("MIXED_LOAD_KEEP") != NULL)
            printf("stopped, for a debugger: process %d\n", (int)port_process_pid(driver.process));
        else
            port_process_free(driver.process);
    }
    printf("session %llu, request %llu; again:", driver.sessions, driver.total);
    for (size_t i = 0; command[i] != NULL; i++)
        printf(" %s", command[i]);
    printf(" --seed %llu\n", seed);
    fflush(stdout);
    if (getenv("MIXED_LOAD_KEEP") != NULL)
        pause();
}

static void run(unsigned seconds, const struct round_options *options)
{
    driver.random.state = seed;
    driver.next_id = 1;
    driver.until = now_us() + (uint64_t)seconds * 1000000;
    do {
        history_start(report_finding, frames_path);
        round_run(&driver, options);
        driver.process = NULL;
    } while (now_us() < driver.until);
    loads_print();
    printf("%llu requests, %llu cancels, %llu calls, %llu items, %llu sessions: passed\n", driver.total, driver.aborts,
           driver.calls_total, driver.items_total, driver.sessions);
}

static const struct option long_options[] = {
    {"seconds", required_argument, NULL, 's'},
    {"seed", required_argument, NULL, 'n'},
    {"schedule", no_argument, NULL, 'c'},
    {"python", required_argument, NULL, 'p'},
    {"only", required_argument, NULL, 'o'},
    {"without", required_argument, NULL, 'w'},
    {"definitions", required_argument, NULL, 'd'},
    {"frames", required_argument, NULL, 'f'},
    {NULL, 0, NULL, 0},
};

static void usage(void)
{
    fputs("usage: mixed_load [--seconds S] [--seed N] [--schedule] [--python PATH] [--only A,B] [--without A,B]\n"
          "                  [--definitions FILE] [--frames FILE] [PROGRAM]\n",
          stderr);
    exit(2);
}

static bool take_option(int option, struct round_options *options, unsigned *seconds)
{
    static char number[32];
    if (option == 's')
        *seconds = (unsigned)strtoul(optarg, NULL, 10);
    else if (option == 'n')
        seed = strtoull(optarg, NULL, 10);
    else if (option == 'c')
        schedule_seed = number;
    else if (option == 'p')
        options->python = optarg;
    else if (option == 'o')
        loads_only(optarg);
    else if (option == 'w')
        loads_without(optarg);
    else if (option == 'd')
        options->definitions = optarg;
    else if (option == 'f')
        frames_path = optarg;
    else
        return false;
    return snprintf(number, sizeof number, "%llu", seed) > 0;
}

int main(int count, char **arguments)
{
    struct round_options options = {.program = getenv("PYTHONX_PORT"), .definitions = "tests/schedules/mixed_load.py"};
    unsigned seconds = 10;
    command = arguments;
    int option;
    seed = (now_us() ^ (unsigned long long)getpid() << 20) % 1000000007u;
    while ((option = getopt_long(count, arguments, "", long_options, NULL)) >= 0)
        if (!take_option(option, &options, &seconds))
            usage();
    if (optind < count)
        options.program = arguments[optind];
    if (options.program == NULL)
        usage();
    options.schedule_seed = schedule_seed;
    printf("mixed_load: seed %llu\n", seed);
    fflush(stdout);
    run(seconds, &options);
    return EXIT_SUCCESS;
}
