/* Goes through three states: the requests that were read may end; what runs is interrupted; the process exits. Works
 * even while some C code holds the GIL forever. */
#include "session/shutdown.h"

#include <stdbool.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/exit_status.h"
#include "os/fd_state.h"
#include "os/poller.h"
#include "os/schedule.h"
#include "queue/session.h"
#include "session/abort.h"

/* Between the interrupt and the end of the process. */
#define GRACE_MS SCHEDULE_LIMIT(500)
/* How often it checks meanwhile that the client still reads. */
#define LOOK_MS 20

enum shutdown_state { LINGER, INTERRUPT, EXIT };

static bool gone; /* the client does not read the output any more */

void shutdown_give_up(void)
{
    int ok = EXIT_STATUS_OK;
    atomic_compare_exchange_strong(&session.exit_status, &ok, EXIT_STATUS_ABANDONED);
}

/* Waits that long; less if the client goes meanwhile. */
static void wait_for_client(unsigned milliseconds, void (*write_due)(void))
{
    unsigned long long until = clock_us() + milliseconds * 1000ULL, now;
    bool was_gone = gone;
    while ((now = clock_us()) < until && gone == was_gone) {
        unsigned long long left = (until - now + 999) / 1000;
        if (poller_wait(left < LOOK_MS ? (int)left : LOOK_MS) == POLLER_NOTIFIED)
            write_due();
        gone = gone || fd_peer_gone(session.output_fd, 0);
    }
}

static unsigned long long count_ended(bool *runs)
{
    session_lock();
    unsigned long long ended = session.jobs.totals.ended;
    *runs = session.jobs.active.count > 0;
    session_unlock();
    return ended;
}

/* As long as the client reads, requests may go on while each of them ends within the time to linger. */
static enum shutdown_state linger(void (*write_due)(void))
{
    bool runs;
    unsigned long long before = count_ended(&runs);
    gone = fd_peer_gone(session.output_fd, 0);
    if (!gone)
        wait_for_client(session.linger_ms, write_due);
    return gone || count_ended(&runs) == before ? INTERRUPT : LINGER;
}

/* Interrupts what runs. If Python is being shut down already, nothing does. */
static void interrupt(void)
{
    session_lock();
    session.stopping = true;
    if (session.jobs.active.count > 0)
        shutdown_give_up();
    abort_stop_all();
    handoff_interrupt_main();
    session_unlock();
}

void shutdown_run(void (*write_due)(void))
{
    enum shutdown_state state = LINGER;
    poller_forget_input();
    for (;;) {
        switch (state) {
        case LINGER:
            state = linger(write_due);
            break;
        case INTERRUPT:
            interrupt();
            SCHEDULE_POINT(shutdown_interrupted);
            wait_for_client(GRACE_MS, write_due);
            state = EXIT;
            break;
        case EXIT:
            shutdown_give_up();
            _exit(atomic_load(&session.exit_status));
        }
    }
}
