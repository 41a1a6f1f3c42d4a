/* Decides by ticks when the reader thread must watch the input: ticks come as long as requests come. A tick that finds
 * the main thread busy for long enough starts to watch the input, until that thread is idle again. */
#include "queue/handoff.h"

#include <unistd.h>

#include "os/clock.h"
#include "os/platform.h"
#include "os/poller.h"
#include "queue/session.h"
#include "queue/timer.h"

/* While the main thread is busy for less than this, it still does all reads on its own. */
#define TICK_US 2000
/* A tick wakes the timer's thread, which costs more than starting and stopping to watch the input: it pays if many
 * requests share one. */
#define QUICK_US 500
#define QUICK_ROW 32
/* A signal that arrives just before the main thread falls asleep in its read is lost: it is sent again. */
#define POKE_US 1000
#define POKE_MAX_US 64000

static struct handoff *const handoff = &session.handoff;

bool handoff_start(int input_fd)
{
    int ends[2];
    if (!platform_wake_pipe(ends))
        return false;
    handoff->wake_out = ends[0];
    handoff->wake_in = ends[1];
    return poller_open(input_fd, &handoff->watchable);
}

/* -- who reads ---------------------------------------------------------------------------------------------------- */

static void watch(bool on)
{
    handoff->watched = on;
    poller_watch_input(on);
}

static void tick_later(unsigned long long now)
{
    handoff->ticking = true;
    handoff->tick_us = now + TICK_US;
    timer_at(handoff->tick_us);
}

void handoff_looked(void)
{
    handoff->looked_us = clock_us();
}

void handoff_busy(void)
{
    unsigned long long now = clock_us();
    handoff->looked_us = now;
    if (!handoff->watchable || handoff->busy)
        return;
    handoff->busy = true;
    handoff->busy_since = now;
    handoff->times_busy++;
    handoff->quick = now - handoff->last_busy < QUICK_US ? handoff->quick + 1 : 0;
    handoff->last_busy = now;
    if (!handoff->ticking && !handoff->watched) {
        if (handoff->quick >= QUICK_ROW)
            tick_later(now);
        else
            watch(true);
    }
}

void handoff_idle(void)
{
    handoff->busy = false;
    if (handoff->watched)
        watch(false);
}

static void on_tick(unsigned long long now)
{
    handoff->ticking = false;
    if (handoff->busy && now - handoff->busy_since >= TICK_US)
        watch(true);
    else if (handoff->busy || handoff->times_seen != handoff->times_busy)
        tick_later(now);
    handoff->times_seen = handoff->times_busy;
}

bool handoff_take_input(void)
{
    if (handoff->input != INPUT_IS_FREE)
        return false;
    handoff->input = INPUT_IS_MAINS;
    return true;
}

void handoff_return_input(void)
{
    handoff->input = INPUT_IS_FREE;
}

bool handoff_take_for_reader(void)
{
    if (handoff->input != INPUT_IS_FREE || !handoff->busy) {
        /* The input is left to the main thread, which need not be notified. */
        watch(false);
        return false;
    }
    handoff->input = INPUT_IS_READERS;
    return true;
}

void handoff_return_from_reader(void)
{
    handoff->input = INPUT_IS_FREE;
    if (handoff->place == MAIN_SLEEPS)
        pthread_cond_signal(&handoff->main_wake);
}

/* -- where the main thread is ------------------------------------------------------------------------------------- */

/* A full pipe wakes the loop as well. */
static void wake_loop(void)
{
    if (!handoff->wake_written)
        (void)!write(handoff->wake_in, "", 1);
    handoff->wake_written = true;
}

enum handoff_place handoff_enter(enum handoff_place place)
{
    enum handoff_place before = handoff->place;
    handoff->place = place;
    handoff->poked = false;
    if (place != MAIN_LOOPS)
        return before;
    /* What came while the main thread was elsewhere did not wake the loop. */
    if (before != MAIN_WORKS)
        wake_loop();
    if (handoff->watchable && !handoff->watched)
        watch(true);
    return before;
}

void handoff_sleep(unsigned long long until_us)
{
    enum handoff_place before = handoff_enter(MAIN_SLEEPS);
    ranked_lock_wait(&session.lock, &handoff->main_wake, until_us);
    handoff_enter(before);
}

static void kick(void)
{
    if (atomic_load(&session.signals_ready))
        pthread_kill(session.main_thread, HANDOFF_SIGNAL);
}

/* After its own reads the main thread looks for work without being interrupted. */
static void poke(void)
{
    if (pthread_equal(pthread_self(), session.main_thread))
        return;
    kick();
    if (handoff->poked)
        return;
    handoff->poked = true;
    handoff->poke_interval = POKE_US;
    handoff->poke_us = clock_us() + POKE_US;
    timer_at(handoff->poke_us);
}

static void poke_again(unsigned long long now)
{
    kick();
    if (handoff->poke_interval < POKE_MAX_US)
        handoff->poke_interval *= 2;
    handoff->poke_us = now + handoff->poke_interval;
}

bool handoff_take_handlers_due(void)
{
    bool due = handoff->handlers_due;
    handoff->handlers_due = false;
    return due;
}

void handoff_clear_wake(void)
{
    char bytes[64];
    while (read(handoff->wake_out, bytes, sizeof bytes) > 0)
        ;
    handoff->wake_written = false;
}

void handoff_wake_main(void)
{
    switch (handoff->place) {
    case MAIN_WORKS:
        break;
    case MAIN_READS:
        poke();
        break;
    case MAIN_SLEEPS:
        pthread_cond_signal(&handoff->main_wake);
        break;
    case MAIN_LOOPS:
        wake_loop();
        break;
    }
}

void handoff_interrupt_main(void)
{
    /* The main thread may have run its last bytecode before it goes to sleep. */
    handoff->handlers_due = true;
    if (handoff->place == MAIN_WORKS || handoff->place == MAIN_LOOPS)
        kick();
    handoff_wake_main();
}

void handoff_look(void)
{
    if (handoff->place == MAIN_READS || handoff->place == MAIN_SLEEPS)
        handoff->handlers_due = true;
    handoff_wake_main();
}

unsigned long long handoff_on_timer(unsigned long long now_us)
{
    unsigned long long next = 0;
    if (handoff->ticking && handoff->tick_us <= now_us)
        on_tick(now_us);
    if (handoff->poked && handoff->poke_us <= now_us)
        poke_again(now_us);
    if (handoff->ticking)
        next = handoff->tick_us;
    if (handoff->poked && (next == 0 || handoff->poke_us < next))
        next = handoff->poke_us;
    return next;
}
