/* One map, the same keys in every version; PROTOCOL.md lists them. */
#include "session/info.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "exec/event_loop.h"
#include "exec/invoke_table.h"
#include "exec/stream.h"
#include "os/clock.h"
#include "os/platform.h"
#include "queue/job.h"

static unsigned long long started_us;
static const char *python = "";

void info_start(const char *python_version)
{
    started_us = clock_us();
    python = python_version;
}

/* The most that ever were resident, for want of better. */
static unsigned long long most_resident_bytes(void)
{
#ifdef __APPLE__
    const unsigned long long unit = 1;
#else
    const unsigned long long unit = 1024;
#endif
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (unsigned long long)usage.ru_maxrss * unit : 0;
}

/* Resident bytes, as proc(5) tells. */
#ifdef PLATFORM_IS_LINUX
static unsigned long long resident_bytes(void)
{
    char line[128];
    FILE *statm = fopen("/proc/self/statm", "re");
    bool told = statm != NULL && fgets(line, sizeof line, statm) != NULL;
    if (statm != NULL)
        fclose(statm);
    char *end_of_total;
    if (!told)
        return most_resident_bytes();
    (void)strtoull(line, &end_of_total, 10);
    return strtoull(end_of_total, NULL, 10) * (unsigned long long)sysconf(_SC_PAGESIZE);
}
#else
static unsigned long long resident_bytes(void)
{
    return most_resident_bytes();
}
#endif

static void put_count(struct message *message, const char *key, unsigned long long value)
{
    message_put_atom_text(message, key);
    message_put_unsigned(message, value);
}

static void put_running(void *argument, struct span id, unsigned long long since_us)
{
    struct message *message = argument;
    message_put_atom_text(message, "running");
    request_put_id(message, id);
    put_count(message, "running_us", id.length == 0 ? 0 : clock_us() - since_us);
}

void info_put(struct message *message, const struct info *info)
{
    struct job_totals totals = job_totals();
    message_put_map(message, 17);
    job_tell_shown(put_running, message);
    put_count(message, "queued", totals.waiting);
    put_count(message, "requests", totals.begun);
    put_count(message, "errors", totals.errors);
    put_count(message, "queue_us", totals.queue_us);
    put_count(message, "run_us", totals.run_us);
    put_count(message, "tasks", loop_task_count());
    put_count(message, "streams", stream_count());
    put_count(message, "calls", invoke_table_count());
    put_count(message, "memory", resident_bytes());
    put_count(message, "bytes_in", info->bytes_in);
    put_count(message, "bytes_out", info->bytes_out);
    put_count(message, "os_pid", (unsigned long long)getpid());
    put_count(message, "uptime_us", clock_us() - started_us);
    put_count(message, "max_frame", info->max_frame);
    message_put_atom_text(message, "python");
    message_put_text(message, python);
}
