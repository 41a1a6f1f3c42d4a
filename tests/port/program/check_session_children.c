/* Tests the processes that Python starts and leaves behind: they end with the session, however that ends, and nothing
 * else does. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "builds.h"
#include "launcher/process_table.h"
#include "os/clock.h"
#include "pythons.h"
#include "session_driver.h"
#include "shell.h"
#include "suites.h"
#include "time_factor.h"

#define CHILDREN_MAX 16
/* Children have 1.1 s before they are killed, and the machine may be busy. */
#define GONE_US (5000000ULL * (unsigned)time_factor())
#define STAYS_US 1500000

/* -- processes ---------------------------------------------------------------------------------------------------- */

static struct process_table table;

static bool is_alive(pid_t pid)
{
    ck_assert(process_table_read(&table));
    const struct process *process = process_table_find(&table, pid);
    return process != NULL && !process->ended;
}

/* Returns how many processes the session has that this process leads, or led. */
static int count_members(pid_t leader)
{
    int count = 0;
    ck_assert(process_table_read(&table));
    for (size_t i = 0; i < table.count; i++)
        count += table.rows[i].session == leader && !table.rows[i].ended;
    return count;
}

static void expect_members(pid_t leader, int count)
{
    unsigned long long until = clock_us() + GONE_US;
    while (count_members(leader) != count && clock_us() < until)
        usleep(5000);
    ck_assert_int_eq(count_members(leader), count);
}

/* Waits until it has begun. */
static pid_t find_guard(pid_t leader)
{
    for (unsigned long long until = clock_us() + GONE_US; clock_us() < until; usleep(5000)) {
        ck_assert(process_table_read(&table));
        for (size_t i = 0; i < table.count; i++)
            if (table.rows[i].session == leader && table.rows[i].guards)
                return table.rows[i].pid;
    }
    ck_abort_msg("there is no guard");
}

static void expect_gone(pid_t pid, const char *what)
{
    unsigned long long until = clock_us() + GONE_US;
    while (is_alive(pid) && clock_us() < until)
        usleep(5000);
    bool alive = is_alive(pid);
    if (alive)
        kill(pid, SIGKILL);
    ck_assert_msg(!alive, "process %d lives on: %s", (int)pid, what);
}

/* -- children ----------------------------------------------------------------------------------------------------- */

struct children {
    pid_t pids[CHILDREN_MAX];
    size_t count;
};

/* The code's value must be the pids, as a text. */
static struct children start_children(struct session *session, const char *code)
{
    struct children children = {0};
    session_send(session, "{eval, 1, %s}", code);
    const char *reply = session_next_reply(session);
    ck_assert_msg(reply != NULL && strncmp(reply, "{ok,1,'", 7) == 0, "%s\n%s", reply, session_errors(session));
    const char *at = strchr(reply, '\'') + 1;
    char *end;
    while (children.count < CHILDREN_MAX) {
        long pid = strtol(at, &end, 10);
        if (end == at)
            break;
        ck_assert_int_gt(pid, 1);
        children.pids[children.count++] = (pid_t)pid;
        at = end;
    }
    ck_assert_uint_gt(children.count, 0);
    return children;
}

static void expect_all_gone(const struct children *children, const char *what)
{
    for (size_t i = 0; i < children->count; i++)
        expect_gone(children->pids[i], what);
}

static void kill_kept(pid_t pid)
{
    usleep(STAYS_US);
    ck_assert_msg(is_alive(pid), "process %d has ended", (int)pid);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
}

static const char many_children[] =
    "import multiprocessing, os, subprocess, time\n"
    "pids = [subprocess.Popen(['sleep', '100']).pid]\n"
    "pids.append(os.fork())\n"
    "if pids[-1] == 0:\n"
    "    time.sleep(100)\n"
    "    os._exit(0)\n"
    "pids.append(os.posix_spawn('/bin/sleep', ['sleep', '100'], os.environ))\n"
    "process = multiprocessing.get_context('fork').Process(target=time.sleep, args=(100,), daemon=True)\n"
    "process.start()\n"
    "pids.append(process.pid)\n"
    /* A grandchild whose parent has ended, and one whose parent lives. */
    "pids.append(int(subprocess.check_output('sleep 100 >/dev/null & echo $!', shell=True)))\n"
    "shell = subprocess.Popen('sleep 100 & echo $!; wait', shell=True, stdout=subprocess.PIPE)\n"
    "pids += [shell.pid, int(shell.stdout.readline())]\n"
    /* SIGTERM does not end these. */
    "pids.append(subprocess.Popen('trap \"\" TERM; sleep 100', shell=True).pid)\n"
    "os.kill(pids[-1], 0)\n"
    "stopped = subprocess.Popen(['sleep', '100'])\n"
    "os.kill(stopped.pid, 19)\n"
    "pids.append(stopped.pid)\n"
    "' '.join(map(str, pids))";

/* -- the ends of a session ---------------------------------------------------------------------------------------- */

static void end_by_stop(struct session *session)
{
    session_send(session, "{stop, 2}");
    ck_assert_str_eq(session_next_reply(session), "{ok,2,nil}");
}

static void end_by_kill(struct session *session)
{
    kill(session_pid(session), SIGKILL);
}

static void end_by_fault(struct session *session)
{
    session_send(session, "{exec, 2, 'import ctypes\nctypes.string_at(0)'}");
}

static void end_by_exit(struct session *session)
{
    session_send(session, "{exec, 2, 'os._exit(3)'}");
}

static void end_by_client(struct session *session)
{
    session_send(session, "{exec, 2, 'while True: pass'}");
    session_close_input(session);
    session_close_output(session);
}

static const struct {
    const char *name;
    void (*end)(struct session *session);
    int status;
} ends[] = {
    {"stop", end_by_stop, 0},           {"the end of the input", session_close_input, 0},
    {"SIGKILL", end_by_kill, -SIGKILL}, {"a segmentation fault", end_by_fault, -SIGSEGV},
    {"os._exit", end_by_exit, 3},       {"a client that is gone", end_by_client, 4},
};

#define ENDS ((int)(sizeof ends / sizeof *ends))

/* The first rounds lead a process group, as under the BEAM; the others share that of the tests. */
START_TEST(ends_children_with_the_session)
{
    bool leads = _i < ENDS;
    struct session *session = session_start(&(struct session_setup){.leads = leads});
    pid_t pid = session_pid(session);
    struct children children = start_children(session, many_children);
    ck_assert_uint_eq(children.count, 9);
    ends[_i % ENDS].end(session);
    ck_assert_int_eq(session_wait(session), ends[_i % ENDS].status);
    expect_all_gone(&children, ends[_i % ENDS].name);
    if (leads)
        expect_members(pid, 0);
    session_free(session);
}
END_TEST

/* By every function that starts one. */
static const char *const starters[] = {
    "import os\npid = os.fork()\nif pid == 0: os.execvp('sleep', ['sleep', '100'])\nstr(pid)",
    "import subprocess\nstr(subprocess.Popen(['sleep', '100']).pid)",
    "import subprocess\nstr(subprocess.Popen(['sleep', '100'], process_group=0).pid)",
    "import os\nos.system('sleep 100 >/dev/null & echo $! >/tmp/pythonx_port-$PPID')\n"
    "file = f'/tmp/pythonx_port-{os.getpid()}'\nwith open(file) as pid: value = pid.read()\nos.remove(file)\nvalue",
    "import os\nos.popen('sleep 100 >/dev/null & echo $!').read()",
    "import os\nstr(os.posix_spawnp('sleep', ['sleep', '100'], os.environ))",
    "import pty, os\npid, terminal = pty.fork()\nif pid == 0: os.execvp('sleep', ['sleep', '100'])\nstr(pid)",
    "import asyncio\n"
    "async def start(): return (await asyncio.create_subprocess_exec('sleep', '100')).pid\n"
    "str(await start())",
    "import multiprocessing\nfrom multiprocessing import shared_memory\n"
    "memory = shared_memory.SharedMemory(create=True, size=100)\n"
    "str(multiprocessing.resource_tracker._resource_tracker._pid)",
};

#define STARTERS ((int)(sizeof starters / sizeof *starters))

START_TEST(ends_children_of_any_function)
{
    int python = _i / 2 / STARTERS;
    const char *code = starters[_i / 2 % STARTERS];
    bool leads = _i % 2 == 0;
    struct session *session = session_start(&(struct session_setup){.python = python, .leads = leads});
    pid_t pid = session_pid(session);
    struct children children = start_children(session, code);
    end_by_kill(session);
    session_wait(session);
    /* Those with a group of their own are only found if the session leads. */
    if (leads || strstr(code, "process_group") == NULL)
        expect_all_gone(&children, code);
    else
        kill_kept(children.pids[0]);
    if (leads)
        expect_members(pid, 0);
    session_free(session);
}
END_TEST

/* Pools can clean up: what tracks their resources is not killed before that. */
static const char *const contexts[] = {"fork", "spawn", "forkserver"};

START_TEST(ends_pools_cleanly)
{
    struct session *session = session_start(&(struct session_setup){.python = _i % pythons_count(), .leads = true});
    pid_t pid = session_pid(session);
    char code[1000];
    snprintf(code, sizeof code,
             "import concurrent.futures, multiprocessing, os\n"
             "from multiprocessing import shared_memory\n"
             "memory = shared_memory.SharedMemory(create=True, size=100)\n"
             "pool = concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context('%s'))\n"
             "assert list(pool.map(abs, range(-9, 0))) == list(range(9, 0, -1))\n"
             "processes = ' '.join(map(str, pool._processes))\n"
             "processes",
             contexts[_i / pythons_count()]);
    struct children children = start_children(session, code);
    session_send(session, "{eval, 2, 'memory.name'}");
    char name[64];
    ck_assert_int_eq(sscanf(session_next_reply(session), "{ok,2,'%50[^']", name), 1);
    char path[100];
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    ck_assert_int_eq(access(path, F_OK), 0);
    end_by_kill(session);
    session_wait(session);
    expect_all_gone(&children, code);
    expect_members(pid, 0);
    ck_assert_msg(access(path, F_OK) != 0, "%s is left", path);
    session_free(session);
}
END_TEST

/* -- what stays --------------------------------------------------------------------------------------------------- */

START_TEST(keeps_daemons)
{
    struct session *session = session_start(&(struct session_setup){.leads = _i == 0});
    struct children children = start_children(
        session, "import subprocess\nstr(subprocess.Popen(['sleep', '100'], start_new_session=True).pid)");
    session_end(session, 0);
    kill_kept(children.pids[0]);
}
END_TEST

/* Those of the test, which has started some before the session and others later, and whose group the session shares. */
START_TEST(leaves_neighbours_alone)
{
    static const char neighbour[] = "sh -c 'sleep 100 >/dev/null 2>&1 & echo $!'";
    FILE *before = popen(neighbour, "r");
    struct session *session = SESSION(), *other = SESSION();
    struct children children = start_children(session, starters[1]), others = start_children(other, starters[1]);
    FILE *child = popen("echo $$; exec sleep 100", "r");
    int orphan, own;
    ck_assert(fscanf(before, "%d", &orphan) == 1 && fscanf(child, "%d", &own) == 1);
    session_end(session, 0);
    expect_gone(children.pids[0], "a child beside neighbours");
    usleep(STAYS_US);
    bool all = is_alive(orphan) && is_alive(own) && is_alive(others.pids[0]);
    session_expect_alive(other);
    kill(orphan, SIGKILL);
    kill(own, SIGKILL);
    pclose(before);
    pclose(child);
    session_end(other, 0);
    expect_gone(others.pids[0], "the child of another session");
    ck_assert_msg(all, "a neighbour has ended");
}
END_TEST

/* -- the guard ---------------------------------------------------------------------------------------------------- */

START_TEST(has_a_guard_only_beside_children)
{
    struct session *session = SESSION(.leads = true);
    pid_t pid = session_pid(session);
    session_expect_alive(session);
    ck_assert_int_eq(count_members(pid), 1);
    /* The guard is no child. */
    session_expect_value(session, "import os, subprocess\nsubprocess.run(['true']).returncode", "0");
    session_expect_value(session, "try: os.wait()\nexcept ChildProcessError: none = True\nnone", "true");
    ck_assert_int_eq(count_members(pid), 2);
    session_expect_value(session, "subprocess.run(['true']).returncode", "0");
    session_expect_value(session, "os.waitstatus_to_exitcode(os.system('exit 7'))", "7");
    ck_assert_int_eq(count_members(pid), 2);
    session_end(session, 0);
    expect_members(pid, 0);
}
END_TEST

static int read_score(const char *process)
{
    char path[64];
    int score = 9999;
    snprintf(path, sizeof path, "/proc/%s/oom_score_adj", process);
    FILE *file = fopen(path, "r");
    ck_assert(file != NULL && fscanf(file, "%d", &score) == 1);
    fclose(file);
    return score;
}

/* If the kernel kills for want of memory, the guard must do its work, and frees none. */
START_TEST(has_a_guard_that_is_not_killed_first)
{
    struct session *session = SESSION(.leads = true);
    session_expect_value(session, "import subprocess\nsubprocess.run(['true']).returncode", "0");
    char guard[16];
    snprintf(guard, sizeof guard, "%d", (int)find_guard(session_pid(session)));
    unsigned long long until = clock_us() + GONE_US;
    while (read_score(guard) != read_score("self") && clock_us() < until)
        usleep(5000);
    ck_assert_int_eq(read_score(guard), read_score("self"));
    session_end(session, 0);
}
END_TEST

/* What a terminal sends to the whole group. */
START_TEST(ends_children_at_an_interrupt)
{
    struct session *session = SESSION(.leads = true);
    struct children children = start_children(
        session, "import subprocess\nstr(subprocess.Popen('trap \"\" INT HUP; sleep 100', shell=True).pid)");
    usleep(100000); /* until the shell has set its trap */
    kill(-session_pid(session), SIGINT);
    ck_assert_int_eq(session_wait(session), -SIGINT);
    expect_all_gone(&children, "an interrupt");
    session_free(session);
}
END_TEST

/* Its names and texts are those of Python. */
START_TEST(wraps_functions_as_they_are)
{
    struct session *session = SESSION();
    session_expect_value(session,
                         "import inspect, os, pickle, posix, subprocess, _posixsubprocess\n"
                         "signature = str(inspect.signature(os.system))\n"
                         "(os.system is posix.system, pickle.loads(pickle.dumps(os.system)) is os.system,\n"
                         " os.system.__name__, 'subshell' in os.system.__doc__, 'command' in signature,\n"
                         " subprocess._fork_exec is _posixsubprocess.fork_exec)",
                         "{true,true,'system',true,true,true}");
    session_end(session, 0);
}
END_TEST

START_TEST(keeps_children_if_asked)
{
    struct session *session = SESSION(.leads = true, .options = {"--children", "keep"});
    pid_t pid = session_pid(session);
    struct children children = start_children(session, starters[1]);
    ck_assert_int_eq(count_members(pid), 2);
    end_by_kill(session);
    session_wait(session);
    kill_kept(children.pids[0]);
    session_free(session);
}
END_TEST

Suite *session_children_suite(void)
{
    Suite *suite = suite_create("session_children");
    TCase *tcase = tcase_create("children");
    int pythons = pythons_count();
    if (BUILD_HAS_GUARD) {
        tcase_add_loop_test(tcase, ends_children_with_the_session, 0, 2 * ENDS);
        tcase_add_loop_test(tcase, ends_children_of_any_function, 0, 2 * STARTERS * pythons);
        tcase_add_loop_test(tcase, ends_pools_cleanly, 0, 3 * pythons);
        tcase_add_loop_test(tcase, keeps_daemons, 0, 2);
        tcase_add_loop_test(tcase, leaves_neighbours_alone, 0, 1);
        tcase_add_loop_test(tcase, has_a_guard_only_beside_children, 0, pythons);
        tcase_add_loop_test(tcase, has_a_guard_that_is_not_killed_first, 0, 1);
        tcase_add_loop_test(tcase, ends_children_at_an_interrupt, 0, 1);
        tcase_add_loop_test(tcase, wraps_functions_as_they_are, 0, pythons);
    }
    tcase_add_loop_test(tcase, keeps_children_if_asked, 0, 1);
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    return suite;
}
