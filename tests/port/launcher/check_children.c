/* Tests the guard of a session's children, held before it begins: whether it looks before or after a child starts and
 * the session ends, the child ends, and no neighbour does. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher/process_table.h"
#include "os/clock.h"
#include "os/platform.h"
#include "suites.h"

#ifdef PLATFORM_IS_LINUX
#    include <sys/prctl.h>
#    include <sys/syscall.h>
#endif

#if defined(PLATFORM_IS_LINUX) && defined(SYS_pidfd_open)
/* Children have 1.1 s before they are killed, and the machine may be busy. */
#    define GONE_US 8000000
#    define LOOK_US 2000
/* So often in a row the guard must be found asleep, for it sleeps in no other place than its wait. */
#    define ASLEEP 3

/* -- a family: what stands for the session starts the others when the test says so --------------------------------- */

enum order_of_family { START_CHILD = 'c', START_ORPHAN = 'o', START_GUARD = 'g', END = 'e' };

static int orders, guard_goes; /* to what stands for the session; what the guard waits for */

static pid_t fork_pausing(void)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    /* Check has a handler of its own. */
    signal(SIGTERM, SIG_DFL);
    for (;;)
        pause();
}

static void exec_guard(int pidfd, int go, pid_t session)
{
    char number[16], byte;
    snprintf(number, sizeof number, "%d", (int)session);
    if (read(go, &byte, 1) == 1 && dup2(pidfd, STDIN_FILENO) >= 0)
        execl(getenv("PYTHONX_PORT"), "pythonx_port", "children", number, (char *)NULL);
    _exit(9);
}

/* The parent of what this starts ends at once. Returns the pid. */
static pid_t start_left_behind(bool guard, int go, int answers)
{
    pid_t session = getpid();
    int pidfd = (int)syscall(SYS_pidfd_open, session, 0);
    pid_t between = fork();
    if (between == 0) {
        pid_t pid = guard ? fork() : fork_pausing();
        if (pid == 0)
            exec_guard(pidfd, go, session);
        _exit(write(answers, &pid, sizeof pid) == sizeof pid ? 0 : 9);
    }
    close(pidfd);
    return waitpid(between, NULL, 0);
}

static void obey(int commands, int go)
{
    char command;
    while (read(commands, &command, 1) == 1 && command != END) {
        if (command == START_CHILD) {
            pid_t pid = fork_pausing();
            (void)!write(commands, &pid, sizeof pid);
        } else {
            (void)start_left_behind(command == START_GUARD, go, commands);
        }
    }
    _exit(0);
}

/* A session that leads, or one in a group that it shares with a neighbour. Returns its pid. */
static pid_t start_family(bool leads, pid_t *neighbour)
{
    int ends[2], go[2];
    /* What the family leaves behind gets this process for its parent, as the guard does. */
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    ck_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && pipe(go) == 0);
    *neighbour = fork_pausing();
    ck_assert_int_eq(setpgid(*neighbour, *neighbour), 0);
    pid_t session = fork();
    if (session == 0) {
        if (leads ? setsid() < 0 : setpgid(0, *neighbour) < 0)
            _exit(9);
        close(ends[0]);
        close(go[1]);
        obey(ends[1], go[0]);
    }
    close(ends[1]);
    close(go[0]);
    orders = ends[0];
    guard_goes = go[1];
    return session;
}

static pid_t have_started(enum order_of_family what)
{
    char command = (char)what;
    pid_t pid = 0;
    ck_assert_int_eq(write(orders, &command, 1), 1);
    ck_assert_int_eq(read(orders, &pid, sizeof pid), (ssize_t)sizeof pid);
    ck_assert_int_gt(pid, 0);
    return pid;
}

/* -- what the test does in each order ------------------------------------------------------------------------------ */

static bool is_asleep(pid_t pid)
{
    static struct process_table table;
    char path[64], state = '?';
    ck_assert(process_table_read(&table));
    const struct process *process = process_table_find(&table, pid);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*d (%*[^)]) %c", &state), 1);
    fclose(file);
    return process != NULL && process->guards && state == 'S';
}

/* Returns once it has found out who is there, if the session lives; else it may have ended. */
static void let_guard_run(pid_t guard, bool session_lives)
{
    unsigned long long until = clock_us() + GONE_US;
    ck_assert_int_eq(write(guard_goes, "", 1), 1);
    for (int asleep = 0; session_lives && asleep < ASLEEP; usleep(LOOK_US)) {
        ck_assert_msg(clock_us() < until, "the guard does not wait");
        asleep = is_asleep(guard) ? asleep + 1 : 0;
    }
}

static void end_session(pid_t session)
{
    char command = END;
    ck_assert_int_eq(write(orders, &command, 1), 1);
    ck_assert_int_eq(waitpid(session, NULL, 0), session);
}

static int wait_for(pid_t pid, const char *what)
{
    int status = 0;
    unsigned long long until = clock_us() + GONE_US;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        ck_assert_msg(clock_us() < until, "%s has not ended", what);
        usleep(LOOK_US);
    }
    return status;
}

/* G: the guard runs, C: a child starts, O: one that is left behind at once, E: the session ends. */
static const char *const orders_of_events[] = {"GCE", "CGE", "CEG", "GOE", "OGE", "OEG", "GE", "EG", "CGOE", "COEG"};
#    define ORDERS ((int)(sizeof orders_of_events / sizeof *orders_of_events))

START_TEST(ends_children_whenever_it_begins)
{
    const char *events = orders_of_events[_i % ORDERS];
    pid_t neighbour, started[2], session = start_family(_i < ORDERS, &neighbour);
    size_t count = 0;
    /* The guard is there before the first child, but may run later. */
    pid_t guard = have_started(START_GUARD);
    for (const char *event = events; *event != '\0'; event++) {
        if (*event == 'G')
            let_guard_run(guard, strchr(event, 'E') != NULL);
        else if (*event == 'E')
            end_session(session);
        else
            started[count++] = have_started(*event == 'C' ? START_CHILD : START_ORPHAN);
    }
    for (size_t i = 0; i < count; i++) {
        int status = wait_for(started[i], "a child");
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "%s: status %d", events, status);
    }
    ck_assert_int_eq(wait_for(guard, "the guard"), 0);
    ck_assert_int_eq(waitpid(neighbour, NULL, WNOHANG), 0);
    kill(neighbour, SIGKILL);
}
END_TEST
#endif

Suite *children_suite(void)
{
    Suite *suite = suite_create("children");
#if defined(PLATFORM_IS_LINUX) && defined(SYS_pidfd_open)
    TCase *tcase = tcase_create("guard");
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, ends_children_whenever_it_begins, 0, 2 * ORDERS);
    suite_add_tcase(suite, tcase);
#endif
    return suite;
}
