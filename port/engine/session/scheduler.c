/* Waits for work, and does it. */
#include "session/scheduler.h"

#include <unistd.h>

#include "exec/event_loop.h"
#include "exec/execute.h"
#include "exec/reply.h"
#include "exec/stream.h"
#include "exec/stream_items.h"
#include "os/clock.h"
#include "os/schedule.h"
#include "python/context.h"
#include "python/interrupt.h"
#include "queue/session.h"
#include "queue/timer.h"
#include "session/abort.h"
#include "session/choice.h"
#include "session/intake.h"
#include "session/reader.h"
#include "session/shutdown.h"

/* How long the end of the session waits for jobs on other threads, and how often it checks. */
#define THREADS_MAX_US SCHEDULE_LIMIT(1000000)
#define THREADS_LOOK_US 2000

static const char ended_too_early[] = "the input ended before this request was run";
static scheduler_resolve *resolve_answers;

/* -- waiting for work, without the GIL, with the session's lock --------------------------------------------------- */

/* Waits until something may have changed. */
static struct work wait_for_work(enum where where, unsigned long long until_us)
{
    struct work work = {.kind = WORK_NONE};
    bool ended = atomic_load(&session.ended);
    /* The reader thread notices the end as well, and sees to it that this sleep ends. */
    if (ended)
        handoff_busy();
    if (ended || !handoff_take_input()) {
        handoff_sleep(until_us);
        return work;
    }
    /* `direct` implies that there is no task left, either. */
    bool interrupted, direct = where == WHERE_IDLE && job_first() == NULL;
    enum handoff_place before = handoff_enter(MAIN_READS);
    session_unlock();
    SCHEDULE_POINT(main_before_read);
    struct job *job = reader_read(until_us, direct, &interrupted);
    session_lock();
    (void)handoff_enter(before);
    handoff_return_input();
    if (job != NULL)
        work = (struct work){.kind = WORK_JOB, .job = job};
    if (interrupted)
        session.handoff.handlers_due = true;
    return work;
}

/* Returns true if queued jobs must not run any more: the time after the end of the input is over, or the client does
 * not read any more. */
static bool is_cut_short(void)
{
    bool broken = writer_is_broken(session.writer);
    if (broken || (session.stopping && job_refuse_queued(ended_too_early)))
        shutdown_give_up();
    return broken || session.stopping;
}

/* Returns whether jobs run on other threads, which may still end after the input. One that waits for the BEAM
 * cannot. */
static bool are_threads_running(void)
{
    const struct job *job = session.jobs.active.first;
    while (job != NULL && (job->thread == 0 || job->waits))
        job = job->next;
    return job != NULL;
}

/* Returns whether a job became a task as the main thread left the event loop, which is not below on the stack. */
static bool are_tasks_left(void)
{
    return session.loop.tasks > 0 && !session.loop.running;
}

/* Returns the next work of the idle main thread. */
static struct work next_while_idle(void)
{
    struct work work = {.kind = WORK_NONE};
    SCHEDULE_POINT(main_looks);
    session_lock();
    bool waits = false;
    for (;; waits = true) {
        if (is_cut_short())
            work.kind = WORK_END;
        else
            work = choice_make(WHERE_IDLE);
        if (work.kind == WORK_NONE && handoff_take_handlers_due())
            work.kind = WORK_HANDLERS;
        if (work.kind == WORK_NONE && are_tasks_left())
            work.kind = WORK_LOOP;
        if (work.kind == WORK_NONE && atomic_load(&session.ended) && !are_threads_running())
            work.kind = WORK_END;
        if (work.kind != WORK_NONE)
            break;
        if (!waits)
            handoff_idle();
        work = wait_for_work(WHERE_IDLE, 0);
        if (work.kind != WORK_NONE)
            break;
    }
    handoff_busy();
    session_unlock();
    return work;
}

/* Returns until when the main thread sleeps while it waits for the BEAM; 0: without an end. */
static unsigned long long find_wait_end(unsigned long long foreign_from_us)
{
    bool jobs_wait = job_first() != NULL || session.jobs.nested.first != NULL;
    return jobs_wait ? foreign_from_us : 0;
}

/* The context is the main thread's own: it changes only while that works. */
static bool abort_is_due(const struct invocation *invocation)
{
    const struct context *context = invocation->context;
    return context != NULL && context->job != NULL && job_abort_is_due(context->job);
}

/* Returns the next work of the main thread while it waits for the BEAM. */
static struct work next_while_waiting(const struct invocation *invocation)
{
    struct work work = {.kind = WORK_NONE};
    SCHEDULE_POINT(main_looks);
    session_lock();
    handoff_idle();
    while (work.kind == WORK_NONE) {
        /* Read before the choice, or the time could pass in between. */
        unsigned long long foreign_from_us =
            choice_has_waited_long() ? 0 : invocation->since_us + INVOKE_TABLE_LONG_WAIT_US;
        if (invocation->answered && job_first_nested(invocation) == NULL)
            work.kind = WORK_ANSWER;
        else
            work = choice_make(WHERE_WAIT);
        if (work.kind != WORK_NONE)
            break;
        if (is_cut_short() || atomic_load(&session.ended))
            work.kind = WORK_END;
        else if (abort_is_due(invocation) || handoff_take_handlers_due())
            work.kind = WORK_HANDLERS;
        else if (are_tasks_left())
            work.kind = WORK_LOOP;
        else
            work = wait_for_work(WHERE_WAIT, find_wait_end(foreign_from_us));
    }
    handoff_busy();
    session_unlock();
    return work;
}

/* -- doing it, with the GIL --------------------------------------------------------------------------------------- */

int scheduler_wait_for_answer(struct invocation *invocation)
{
    for (;;) {
        /* The tasks that are left go on while this thread waits. */
        event_loop_run();
        PyThreadState *thread = PyEval_SaveThread();
        struct work work = next_while_waiting(invocation);
        PyEval_RestoreThread(thread);
        SCHEDULE_POINT(main_has_work);
        switch (work.kind) {
        case WORK_JOB:
            execute_nested(work.job);
            break;
        case WORK_STREAM:
            stream_step(work.stream);
            break;
        case WORK_ANSWER:
            return 0;
        case WORK_END:
            interrupt_set_shutdown("the input ended while this waited for the BEAM");
            return -1;
        case WORK_HANDLERS:
            interrupt_threads();
            break;
        case WORK_LOOP:
        case WORK_NONE:
            break;
        }
        struct context *context = invocation->context;
        if ((context != NULL && context->job != NULL && interrupt_raise(context->job) < 0) || PyErr_CheckSignals() < 0)
            return -1;
    }
}

/* Does the main thread's work from inside the event loop, each time that the loop was woken. */
static void work_in_loop(void)
{
    struct work work = {.kind = WORK_NONE};
    resolve_answers();
    do {
        session_lock();
        handoff_looked();
        work = choice_make(WHERE_LOOP);
        session_unlock();
        if (work.kind == WORK_JOB)
            execute_nested(work.job);
        else if (work.kind == WORK_STREAM)
            stream_step(work.stream);
    } while (work.kind == WORK_JOB);
    session_lock();
    /* Tasks have their turn between two slices of a stream. */
    if (work.kind == WORK_STREAM)
        handoff_wake_main();
    const struct invocation *wait = session.invocations.main_wait;
    bool leave = session.stopping || (wait != NULL && (wait->answered || abort_is_due(wait))) ||
                 (session.loop.tasks == 0 && (job_first() != NULL || atomic_load(&session.ended)));
    session_unlock();
    if (leave)
        event_loop_leave();
}

/* Has the jobs on other threads, and the streams that these step, end with the session. Returns whether any is left, or
 * is still without a reply. */
static bool stop_threads(void)
{
    session_lock();
    bool any = session.jobs.replying > 0;
    session.ending = true;
    for (struct job *job = session.jobs.active.first; job != NULL; job = job->next) {
        if (job->thread == 0)
            continue;
        any = true;
        job_stop(job);
        abort_deliver(job);
    }
    session_unlock();
    return any;
}

/* Ends all jobs under way but tasks: those on threads, and streams. With the GIL. */
static void end_under_way(void)
{
    unsigned long long until = clock_us() + THREADS_MAX_US;
    while (stop_threads() && clock_us() < until) {
        SCHEDULE_POINT(threads_end);
        interrupt_run_handlers();
        PyThreadState *thread = PyEval_SaveThread();
        usleep(THREADS_LOOK_US);
        PyEval_RestoreThread(thread);
    }
    stream_end_all();
}

/* Executes a job at the bottom of the main thread's stack. Returns false if it was a stop, after which the session is
 * over. */
static bool execute_at_bottom(struct job *job, struct message *reply, PyThreadState **thread)
{
    bool stops = job->request.operation == OPERATION_stop;
    if (stops)
        end_under_way();
    bool ended = execute_job(job, reply);
    *thread = PyEval_SaveThread();
    if (stops)
        intake_close();
    if (ended)
        reply_write(job, reply);
    if (ended && reply_holds_objects(job, reply)) {
        PyEval_RestoreThread(*thread);
        reply_release(job, reply);
        *thread = PyEval_SaveThread();
    } else if (ended) {
        reply_release(job, reply);
    }
    return !stops;
}

/* Does one piece of work. Returns false if the session is over. */
static bool do_work(struct work *work, struct message *reply, PyThreadState **thread)
{
    bool goes_on = work->kind != WORK_END;
    PyEval_RestoreThread(*thread);
    SCHEDULE_POINT(main_has_work);
    switch (work->kind) {
    case WORK_JOB:
        goes_on = execute_at_bottom(work->job, reply, thread);
        if (!event_loop_is_loaded())
            return goes_on;
        PyEval_RestoreThread(*thread);
        break;
    case WORK_STREAM:
        stream_step(work->stream);
        break;
    case WORK_HANDLERS:
        interrupt_run_handlers();
        break;
    case WORK_NONE:
    case WORK_LOOP:
    case WORK_ANSWER:
    case WORK_END:
        break;
    }
    if (goes_on)
        event_loop_run();
    *thread = PyEval_SaveThread();
    return goes_on;
}

void scheduler_run(void)
{
    struct message reply = {0};
    struct work work;
    PyThreadState *thread = PyEval_SaveThread();
    do
        work = next_while_idle();
    while (do_work(&work, &reply, &thread));
    PyEval_RestoreThread(thread);
    end_under_way();
    event_loop_close();
    session_lock();
    (void)job_refuse_queued(ended_too_early);
    session_unlock();
    (void)abort_reply_to_unbegun();
    message_free(&reply);
}

/* -- the timer ---------------------------------------------------------------------------------------------------- */

/* Runs on the timer's thread, so it must not block; all writing is left to the reader thread. */
static void on_timer(unsigned long long now_us)
{
    SCHEDULE_POINT(timer_fired);
    session_lock();
    job_expire(now_us, abort_deliver);
    unsigned long long next = handoff_on_timer(now_us), due = stream_items_next_due();
    if (session.jobs.aborted != NULL || (due != 0 && due <= now_us))
        reader_notify();
    else
        timer_at(due);
    timer_at(next);
    timer_at(session.jobs.next_event);
    session_unlock();
    SCHEDULE_POINT(timer_done);
}

void scheduler_start(scheduler_resolve *resolve)
{
    resolve_answers = resolve;
    timer_start(on_timer);
    event_loop_start(work_in_loop);
}
