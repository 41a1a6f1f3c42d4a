/* Holds threads at schedule points on command, or delays them at random. One thread reads the commands. One lock guards
 * the holds; the only call made with it is send(2), so that a thread may reach a point with any other lock held. */
#include "os/schedule.h"

#ifdef PYTHONX_SCHEDULES

#    include <pthread.h>
#    include <sched.h>
#    include <signal.h>
#    include <stdatomic.h>
#    include <stdbool.h>
#    include <stdint.h>
#    include <stdio.h>
#    include <stdlib.h>
#    include <string.h>
#    include <sys/socket.h>
#    include <sys/un.h>
#    include <time.h>
#    include <unistd.h>

#    define LINE_MAX_LENGTH 128
#    define SLEEP_MAX_USEC 2000

static const char *const point_names[SCHEDULE_POINT_COUNT] = {
#    define SCHEDULE_NAME(name) #    name,
    SCHEDULE_POINTS(SCHEDULE_NAME)
#    undef SCHEDULE_NAME
};

enum hold { HOLD_NONE, HOLD_ONCE, HOLD_ALL };

static struct {
    enum hold hold;
    unsigned long long releases; /* a held thread waits for this to change */
} points[SCHEDULE_POINT_COUNT];

/* Guards points. It is taken last: a thread that reaches a point may hold any other lock. */
static pthread_mutex_t points_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t points_released = PTHREAD_COND_INITIALIZER;

static pthread_once_t started = PTHREAD_ONCE_INIT;
/* Written once, by start(), and read afterwards. */
static pid_t owner;
static int control = -1;
static unsigned long_wait_ms; /* 0: as usual */
static bool is_random;
static uint64_t seed;

/* -- on command --------------------------------------------------------------------------------------------------- */

/* Must be called with the lock held, so that lines do not mix. */
static void send_line(const char *word, const char *text)
{
    char line[2 * LINE_MAX_LENGTH];
    int length = snprintf(line, sizeof line, "%s %s\n", word, text);
    (void)!send(control, line, (size_t)length, MSG_NOSIGNAL);
}

static void stop_if_held(enum schedule_point point)
{
    pthread_mutex_lock(&points_lock);
    if (points[point].hold != HOLD_NONE) {
        unsigned long long before = points[point].releases;
        if (points[point].hold == HOLD_ONCE)
            points[point].hold = HOLD_NONE;
        send_line("reached", point_names[point]);
        while (points[point].releases == before)
            pthread_cond_wait(&points_released, &points_lock);
    }
    pthread_mutex_unlock(&points_lock);
}

static void set_hold(size_t point, enum hold hold)
{
    points[point].hold = hold;
    if (hold == HOLD_NONE) {
        points[point].releases++;
        pthread_cond_broadcast(&points_released);
    }
}

static size_t find_point(const char *name)
{
    size_t point = 0;
    while (point < SCHEDULE_POINT_COUNT && strcmp(point_names[point], name) != 0)
        point++;
    return point;
}

static void obey(const char *line)
{
    char word[LINE_MAX_LENGTH] = "", name[LINE_MAX_LENGTH] = "", more[LINE_MAX_LENGTH] = "";
    (void)sscanf(line, "%127s %127s %127s", word, name, more);
    size_t point = find_point(name);
    bool is_hold = strcmp(word, "hold") == 0 && (more[0] == '\0' || strcmp(more, "once") == 0);
    bool is_release = strcmp(word, "release") == 0 && more[0] == '\0';
    pthread_mutex_lock(&points_lock);
    if (!is_hold && !is_release) {
        send_line("error unknown command", line);
    } else if (point == SCHEDULE_POINT_COUNT) {
        send_line("error unknown point", name);
    } else {
        enum hold hold = more[0] == '\0' ? HOLD_ALL : HOLD_ONCE;
        set_hold(point, is_release ? HOLD_NONE : hold);
        send_line(is_release ? "released" : "held", name);
    }
    pthread_mutex_unlock(&points_lock);
}

static void release_all(void)
{
    pthread_mutex_lock(&points_lock);
    for (size_t point = 0; point < SCHEDULE_POINT_COUNT; point++)
        set_hold(point, HOLD_NONE);
    pthread_mutex_unlock(&points_lock);
}

static void *take_commands(void *unused)
{
    char line[LINE_MAX_LENGTH];
    size_t length = 0;
    (void)unused;
    while (length < sizeof line && recv(control, line + length, 1, 0) == 1) {
        if (line[length] != '\n') {
            length++;
            continue;
        }
        line[length] = '\0';
        obey(line);
        length = 0;
    }
    release_all();
    return NULL;
}

static void give_up(const char *what)
{
    perror(what);
    abort();
}

static void connect_control(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    sigset_t all, before;
    pthread_t thread;
    if (strlen(path) >= sizeof address.sun_path)
        give_up("PYTHONX_SCHEDULE_SOCKET is too long");
    memcpy(address.sun_path, path, strlen(path));
    control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (control < 0 || connect(control, (const struct sockaddr *)&address, sizeof address) != 0)
        give_up("PYTHONX_SCHEDULE_SOCKET");
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, take_commands, NULL) != 0)
        give_up("the thread of PYTHONX_SCHEDULE_SOCKET");
    pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* -- at random ---------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t value)
{
    value += 0x9e3779b97f4a7c15u;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

/* Most often a thread just goes on: a session in which every thread sleeps at every point would reach few of them. */
static void delay_at_random(enum schedule_point point)
{
    static atomic_uint threads;
    static _Thread_local unsigned thread; /* in the order in which they reach their first point, from 1 */
    static _Thread_local uint64_t reached;
    if (thread == 0)
        thread = atomic_fetch_add(&threads, 1) + 1;
    uint64_t random = mix(mix(mix(seed + thread) + point) + reached++);
    unsigned choice = random % 32;
    struct timespec pause = {.tv_nsec = (long)(random >> 32) % (SLEEP_MAX_USEC + 1) * 1000};
    if (choice == 0)
        nanosleep(&pause, NULL);
    else if (choice < 6)
        sched_yield();
}

/* -- both --------------------------------------------------------------------------------------------------------- */

/* A forked child has its own copy of the descriptor, which would keep the connection open. */
static void leave_control(void)
{
    if (control >= 0)
        close(control);
}

static void start(void)
{
    const char *path = getenv("PYTHONX_SCHEDULE_SOCKET"), *number = getenv("PYTHONX_SCHEDULE_SEED");
    const char *wait = getenv("PYTHONX_SCHEDULE_LONG_WAIT_MS");
    owner = getpid();
    if (number != NULL) {
        seed = strtoull(number, NULL, 10);
        is_random = true;
    }
    if (wait != NULL)
        long_wait_ms = (unsigned)strtoul(wait, NULL, 10);
    if (path != NULL) {
        connect_control(path);
        pthread_atfork(NULL, NULL, leave_control);
    }
}

unsigned schedule_long_wait_ms(unsigned otherwise)
{
    pthread_once(&started, start);
    return long_wait_ms > 0 ? long_wait_ms : otherwise;
}

void schedule_reach(enum schedule_point point)
{
    pthread_once(&started, start);
    /* Compares the pid instead of relying on a fork handler: another module's handler may run first, and reach a
     * point. */
    if (getpid() != owner)
        return;
    if (is_random)
        delay_at_random(point);
    if (control >= 0)
        stop_if_held(point);
}

#endif
