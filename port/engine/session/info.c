#include "session/info.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "codec/refs.h"
#include "os/clock.h"
#include "os/platform.h"
#include "queue/session.h"
#include "session/choice.h"

/* Returns the most bytes that were ever resident, on systems that do not report the current number. */
static unsigned long long read_most_resident_bytes(void)
{
#ifdef __APPLE__
    const unsigned long long unit = 1;
#else
    const unsigned long long unit = 1024;
#endif
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (unsigned long long)usage.ru_maxrss * unit : 0;
}

/* Returns the resident bytes, as in proc(5). */
#ifdef PLATFORM_IS_LINUX
static unsigned long long read_resident_bytes(void)
{
    char line[128];
    FILE *statm = fopen("/proc/self/statm", "re");
    bool is_read = statm != NULL && fgets(line, sizeof line, statm) != NULL;
    if (statm != NULL)
        fclose(statm);
    char *end_of_total;
    if (!is_read)
        return read_most_resident_bytes();
    (void)strtoull(line, &end_of_total, 10);
    return strtoull(end_of_total, NULL, 10) * (unsigned long long)sysconf(_SC_PAGESIZE);
}
#else
static unsigned long long read_resident_bytes(void)
{
    return read_most_resident_bytes();
}
#endif

static void put_count(struct message *message, const char *key, unsigned long long value)
{
    message_put_atom_text(message, key);
    message_put_unsigned(message, value);
}

/* Appends the innermost job of the main thread, which may end as soon as the lock is released. */
static void put_running(struct message *message)
{
    const struct job *running = session.jobs.main_top;
    const struct span none = {0};
    message_put_atom_text(message, "running");
    request_put_id(message, running == NULL ? none : running->request.id);
    put_count(message, "running_us", running == NULL ? 0 : clock_us() - running->started_us);
}

static void put_counts_of_jobs(struct message *message)
{
    const struct job_totals *totals = &session.jobs.totals;
    put_count(message, "queued", session.jobs.queued.count);
    put_count(message, "requests", totals->begun);
    put_count(message, "errors", totals->errors);
    put_count(message, "queue_us", totals->queue_us);
    put_count(message, "run_us", totals->run_us);
    put_count(message, "tasks", session.loop.tasks);
    put_count(message, "streams", session.streams.count);
    put_count(message, "calls", session.invocations.count);
    put_count(message, "waiting", choice_count_waiting());
}

void info_put(struct message *message)
{
    message_put_map(message, 19);
    session_lock();
    put_running(message);
    put_counts_of_jobs(message);
    session_unlock();
    put_count(message, "refs", refs_count());
    put_count(message, "memory", read_resident_bytes());
    put_count(message, "bytes_in", atomic_load(&session.bytes_in));
    put_count(message, "bytes_out", writer_bytes(session.writer));
    put_count(message, "os_pid", (unsigned long long)getpid());
    put_count(message, "uptime_us", clock_us() - session.started_us);
    put_count(message, "max_frame", session.max_frame);
    message_put_atom_text(message, "python");
    message_put_text(message, session.python_version);
}
