/* Waits for the end of the session by a pidfd, then ends the processes that are still in its process group, and in its
 * session (setsid(2)) if it leads one, as a port of the BEAM does. A group that the session shares, as in a shell's
 * pipeline, has members that are none of its children: those are left alone.
 *
 * The guard is in the same group and session, whose numbers are not used again meanwhile. */
#include "launcher/children.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "launcher/oom_score.h"
#include "launcher/process_table.h"
#include "os/clock.h"
#include "os/exit_status.h"
#include "os/platform.h"

#ifdef PLATFORM_IS_LINUX
#    include <sys/syscall.h>
#endif

/* How long children may take to end on their own, after SIGTERM, and after SIGKILL. */
#define ALONE_MS 100
#define GRACE_MS 1000
#define KILLED_MS 1000
/* How often the processes are listed meanwhile: soon at first. */
#define FIRST_LOOK_MS 2
#define LAST_LOOK_MS 100

struct family {
    pid_t session, group;
    bool leads;                     /* all members of the session descend from it */
    struct process_table strangers; /* of the group, if it does not */
    struct process_table table;
};

/* -- who is a child ----------------------------------------------------------------------------------------------- */

static bool is_stranger(const struct family *family, const struct process *process)
{
    const struct process *stranger = process_table_find(&family->strangers, process->pid);
    return stranger != NULL && stranger->started == process->started;
}

/* Returns whether the process is the session's, or below it. The walk is bounded, since the table is no snapshot. */
static bool descends(const struct family *family, const struct process *process)
{
    for (size_t i = 0; process != NULL && i < family->table.count; i++) {
        if (process->pid == family->session)
            return true;
        process = process_table_find(&family->table, process->parent);
    }
    return false;
}

/* Returns whether the process descends from one that the session has left behind: those have the same parent now as
 * the guard, and all in between are members, too. */
static bool was_left(const struct family *family, const struct process *process)
{
    for (size_t i = 0; process != NULL && i < family->table.count; i++) {
        if (process->group != family->group || is_stranger(family, process))
            return false;
        if (process->parent == getppid())
            return true;
        process = process_table_find(&family->table, process->parent);
    }
    return false;
}

static bool is_child(const struct family *family, const struct process *process)
{
    if (process->ended || process->guards || process->pid == family->session)
        return false;
    if (family->leads)
        return process->session == family->session;
    return process->group == family->group && was_left(family, process);
}

/* Of processes that start within the same tick, the later one mostly has the higher pid. */
static bool is_older(const struct process *process, const struct process *other)
{
    return process->started != other->started ? process->started < other->started : process->pid < other->pid;
}

/* Finds the members of a group that were there before the guard, and thus before the first child. Returns false if
 * there is no memory. */
static bool find_strangers(struct family *family)
{
    if (family->leads)
        return true;
    struct process_table *table = &family->table, *strangers = &family->strangers;
    const struct process *guard = process_table_read(table) ? process_table_find(table, getpid()) : NULL;
    if (guard == NULL)
        return false;
    strangers->rows = malloc(table->count * sizeof *strangers->rows);
    if (strangers->rows == NULL)
        return false;
    for (size_t i = 0; i < table->count; i++) {
        const struct process *process = &table->rows[i];
        if (process->group == family->group && is_older(process, guard) && !descends(family, process))
            strangers->rows[strangers->count++] = *process;
    }
    return true;
}

/* -- their end ---------------------------------------------------------------------------------------------------- */

/* Sends a signal to all children; 0 is none. Returns whether there are any. */
static bool signal_children(struct family *family, int number)
{
    bool any = false;
    if (!process_table_read(&family->table))
        return true;
    for (size_t i = 0; i < family->table.count; i++) {
        if (!is_child(family, &family->table.rows[i]))
            continue;
        any = true;
        if (number != 0)
            kill(family->table.rows[i].pid, number);
        if (number == SIGTERM)
            kill(family->table.rows[i].pid, SIGCONT);
    }
    return any;
}

/* Sends the signal again at each look if `again`, to reach those that were started meanwhile. Returns whether children
 * are left after that time. */
static bool outlast(struct family *family, int number, bool again, unsigned milliseconds)
{
    unsigned long long until = clock_us() + milliseconds * 1000ULL;
    unsigned pause_ms = FIRST_LOOK_MS;
    bool any = signal_children(family, number);
    while (any && clock_us() < until) {
        struct timespec pause = {.tv_nsec = pause_ms * 1000000L};
        nanosleep(&pause, NULL);
        if (pause_ms < LAST_LOOK_MS)
            pause_ms *= 2;
        any = signal_children(family, again ? number : 0);
    }
    return any;
}

static void end_children(struct family *family)
{
    if (outlast(family, 0, false, ALONE_MS) && outlast(family, SIGTERM, false, GRACE_MS))
        (void)outlast(family, SIGKILL, true, KILLED_MS);
}

/* -- standing guard ----------------------------------------------------------------------------------------------- */

static void close_all_from(int first)
{
#if defined(PLATFORM_IS_LINUX) && defined(SYS_close_range)
    if (syscall(SYS_close_range, first, UINT_MAX, 0) == 0)
        return;
#endif
    for (long fd = first, most = sysconf(_SC_OPEN_MAX); fd < most; fd++)
        close((int)fd);
}

static void wait_for_end(void)
{
    struct pollfd session = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&session, 1, -1) <= 0)
        ;
}

int children_guard(char *const *arguments)
{
    struct family family = {.session = (pid_t)strtol(arguments[0], NULL, 10), .group = getpgrp()};
    family.leads = getsid(0) == family.session;
    process_table_name_guard();
    if (arguments[1] != NULL)
        (void)oom_score_set((int)strtol(arguments[1], NULL, 10));
    /* Nothing of the session stays open or in use, such as the ends of pipes that its code lets children inherit. */
    close_all_from(STDERR_FILENO + 1);
    if (chdir("/") != 0 || !find_strangers(&family))
        return EXIT_STATUS_FAILURE;
    wait_for_end();
    end_children(&family);
    process_table_free(&family.table);
    process_table_free(&family.strangers);
    return EXIT_STATUS_OK;
}
