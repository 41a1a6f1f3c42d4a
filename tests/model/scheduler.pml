/* Models the scheduler, the reader thread, the timer and aborts, for Spin (spin(1)); `make model` runs it. */

/* What stands for what. A section under the session's lock is one `atomic` block; what is done without the lock, such
 * as a read, a write, or the way from one section to the next, is a step of its own, between which others run.
 *
 *   main_thread   scheduler_run, with the stack of what it runs:
 *                   idle             next_while_idle, do_work
 *                   wait             scheduler_wait_for_answer, next_while_waiting
 *                   loop             event_loop_run, event_loop_pump_function, work_in_loop
 *                   code             execute_job, stream_step, reply_build and reply_write
 *   reader        reader_thread: read_while_busy, write_what_is_due
 *   timer         on_timer: job_expire, handoff_on_timer
 *   client        a BEAM: sends requests, cancels, answers and grants in any order
 *   observer      checks what must hold once no process can go on
 *
 * Inlines bear the names of the functions that they stand for. Time: whatever may happen after a while may happen at any
 * moment. Left out: the end of the input, stop, batches, how long the queue is, threads (threads.pml), locks (locks.pml).
 * -DFAULT_... makes one mistake on purpose; Spin has to find it. */

#ifndef JOBS
#define JOBS 2
#endif
#ifndef CANCELS
#define CANCELS 1
#endif
#define NONE 99
#define LOOP JOBS /* on the stack: the event loop */

/* -- jobs (queue/job) -- */

mtype = { NEW, QUEUED, NESTED, ON_MAIN, ON_THREAD, TASK, STREAM, ENDED };
/* What a job's code does: ends at once; runs until it is aborted; calls the BEAM and waits; does so without an answer; awaits what ends at any time;
 * awaits what never comes; awaits an answer of the BEAM; is iterated; is iterated without an end. */
mtype = { PLAIN, SPINS, CALLS, HANGS, AWAITS, SLEEPS, ASKS, ITERATES, ENDLESS };

typedef job_type {
    mtype state;
    mtype kind;
    byte within;     /* the job in whose call it was made */
    bool concurrent;
    bool foreign;
    bool deadline;   /* it has a timeout that has not come yet */
    bool asked;      /* the client cancelled it, or its time was up: for the checks alone */
    bool aborted, delivered, retry;
    bool entered;    /* its code runs */
    bool raised;     /* its code has met the exception */
    bool granted;    /* the client has asked for items */
    bool calls;      /* in the table of invocations, */
    bool answered;   /* and answered */
    bool waited;     /* for half a second */
    bool blocks;     /* it waits inside the event loop */
    bool replied;
    bool unbegun;    /* in jobs.aborted */
};
job_type job[JOBS];

/* The first job that fits, or JOBS. */
inline pick(j, fits) {
    j = 0;
    do
    :: j < JOBS && !(fits) -> j++
    :: else -> break
    od
}

#if JOBS == 2
#define some(what) (what(0) || what(1))
#else
#define some(what) (what(0) || what(1) || what(2))
#endif

#define due(j) (job[j].aborted && !job[j].delivered)
#define begun(j) \
    (job[j].state == ON_MAIN || job[j].state == ON_THREAD || job[j].state == TASK || job[j].state == STREAM)
#define exclusive(j) (job[j].state == TASK && !job[j].concurrent)
#define calls_and_waits(j) (job[j].kind == CALLS || job[j].kind == HANGS)
#define is_unbegun(j) (job[j].unbegun)
#define is_late(j) (job[j].deadline && job[j].state != NEW && job[j].state != ENDED)
#define is_to_retry(j) (job[j].retry)
#define may_complete(j) (job[j].state == TASK && (job[j].kind == AWAITS || job[j].kind == ASKS && job[j].answered))
#define is_aborted_task(j) (job[j].state == TASK && due(j))

/* The arrows of job.c. */
inline move(j, to) {
    assert((job[j].state == NEW && (to == QUEUED || to == NESTED || to == ON_MAIN || to == ENDED)) ||
           (job[j].state == QUEUED && (to == ON_MAIN || to == ENDED)) ||
           (job[j].state == NESTED && (to == QUEUED || to == ON_MAIN || to == ON_THREAD || to == ENDED)) ||
           (job[j].state == ON_MAIN && (to == TASK || to == STREAM || to == ENDED)) ||
           (job[j].state == ON_THREAD && (to == STREAM || to == ENDED)) ||
           (job[j].state == TASK && to == ENDED) || (job[j].state == STREAM && to == ENDED));
    job[j].state = to
}

inline reply(j) {
    assert(!job[j].replied); /* exactly one reply */
    job[j].replied = true
}

/* -- the main thread's stack -- */

byte stack[JOBS + 2];
byte depth;
bool loop_runs;
#define top (depth == 0 -> NONE : stack[depth - 1])
#define TOP stack[depth - 1]
#define is_job_on_top (depth > 0 && TOP != LOOP)

inline push(what) { stack[depth] = what; depth++ }
inline pop() { depth--; stack[depth] = 0 }

/* -- handoff (queue/handoff) -- */

mtype = { IS_FREE, IS_MAINS, IS_READERS };
mtype = { WORKS, READS, SLEEPS_THERE, LOOPS };
mtype input = IS_FREE;
mtype place = WORKS;
bool busy, watched, ticking;
bool handlers_due, aborts_due;
bool poked;
bool in_read, interrupted_read; /* inside of read(2); a signal came there */
bool tripped;                   /* Python has noted a signal: its handler runs at the next bytecode */
bool signalled;                 /* the condition main_wake */
bool wake_byte;                 /* in the pipe that wakes the loop */
bool notified;                  /* the poller */

/* A signal interrupts a read; one that comes just before is lost for it. */
inline kick() {
    tripped = true;
    if
    :: in_read -> interrupted_read = true
    :: else
    fi
}

inline wake_main(by_main) {
    if
    :: place == READS && !by_main -> kick(); poked = true
    :: place == SLEEPS_THERE -> signalled = true
    :: place == LOOPS -> wake_byte = true
    :: else
    fi
}

inline interrupt_main(by_main) {
    if
    :: place == WORKS || place == LOOPS -> kick()
    :: else
    fi;
    handlers_due = true;
    wake_main(by_main)
}

inline enter(where_to) {
    place = where_to;
    poked = false;
    if
    :: where_to == LOOPS -> wake_byte = true; watched = true
    :: else
    fi
}

inline handoff_busy() {
    if
    :: busy
    :: !busy ->
        busy = true;
        if
        :: ticking || watched
        :: !ticking && !watched -> ticking = true
        :: !ticking && !watched -> watched = true
        fi
    fi
}

inline handoff_idle() { busy = false; watched = false }

/* -- aborts (session/abort, queue/job_abort) -- */

inline abort_deliver(j, by_main) {
    if
    :: job[j].state == ON_MAIN && top == j -> interrupt_main(by_main)
    :: job[j].state == ON_MAIN && top != j ->
#ifndef FAULT_LOOP_SLEEPS
        wake_main(by_main) /* the loop on top of it is left */
#else
        skip
#endif
    :: job[j].state == TASK -> aborts_due = true; interrupt_main(by_main)
    :: job[j].state == STREAM -> interrupt_main(by_main)
    :: else
    fi
}

inline end_unbegun(j) { move(j, ENDED); job[j].aborted = true; job[j].unbegun = true }

/* job_cancel, or job_expire for one. */
inline abort_job(j, by_main) {
    if
    :: begun(j) ->
        job[j].aborted = true; job[j].delivered = false; job[j].deadline = false; job[j].retry = false;
        abort_deliver(j, by_main);
#ifdef FAULT_DOUBLE_REPLY
        reply(j)
#endif
    :: job[j].state == QUEUED || job[j].state == NESTED -> end_unbegun(j)
    :: else
    fi
}

/* abort_reply_to_unbegun: one is taken with the lock, and replied to without it. */
inline reply_to_unbegun(j) {
    do
    :: atomic { some(is_unbegun) -> pick(j, is_unbegun(j)); job[j].unbegun = false };
        atomic { reply(j); j = 0 }
    :: else -> break
    od
}

/* The exception meets the code of a job. */
inline raise(j) {
    assert(job[j].asked); /* no wrong victim */
    job[j].delivered = true;
    job[j].retry = false;
    job[j].raised = true
}

/* on_signal: what runs is the job on top of the stack. Elsewhere than in the user's code it is left for later. */
inline on_signal(j) {
    tripped = false;
    if
#ifdef FAULT_WRONG_VICTIM
    :: true -> raise(j)
#else
    :: due(j) -> raise(j)
    :: due(j) ->
#ifndef FAULT_NO_RETRY
        job[j].retry = true
#else
        skip
#endif
    :: else
#endif
    fi
}

/* -- what runs next (session/scheduler) -- */

mtype = { IDLE, IN_LOOP, IN_WAIT };

bool turn; /* a job ran since a stream was stepped */

/* Of the section that runs; no part of the state. */
hidden byte next_job, next_stream, foreigners, tasks, exclusives, w, n;
hidden byte any_answered, abort_below, foreign_chosen;

inline find_wait() {
    w = NONE;
    n = depth;
    do
    :: n > 0 && w == NONE ->
        n--;
        if
        :: stack[n] != LOOP && job[stack[n]].calls && job[stack[n]].state == ON_MAIN -> w = stack[n]
        :: else
        fi
    :: else -> break
    od
}

inline note_stack() {
    any_answered = false; abort_below = false; foreigners = 0; tasks = 0; exclusives = 0;
    n = 0;
    do
    :: n < depth ->
        if
        :: stack[n] != LOOP ->
            any_answered = any_answered || (job[stack[n]].calls && job[stack[n]].answered);
            abort_below = abort_below || due(stack[n]);
            foreigners = foreigners + job[stack[n]].foreign
        :: else
        fi;
        n++
    :: else -> break
    od;
    n = 0;
    do
    :: n < JOBS ->
        tasks = tasks + (job[n].state == TASK);
        exclusives = exclusives + exclusive(n);
        n++
    :: else -> break
    od
}

inline first_queued(j) {
    pick(j, job[j].state == QUEUED);
    if
    :: j < JOBS && !(exclusives == 0 || job[j].concurrent) -> j = JOBS
    :: else
    fi
}

/* Sets next_job or next_stream; JOBS: none. Jobs are found by their number, which is the order of their requests. */
/* choice_make */
inline choose(where) {
    next_stream = JOBS;
    find_wait();
    note_stack();
    pick(next_job, job[next_job].state == NESTED && job[next_job].within == w);
    if
    :: next_job == JOBS && where != IN_WAIT ->
        pick(next_job, job[next_job].state == NESTED && job[job[next_job].within].state == TASK)
    :: else
    fi;
    if
    :: next_job < JOBS
    :: next_job == JOBS && w == NONE -> first_queued(next_job)
    :: next_job == JOBS && w != NONE && job[w].waited ->
        pick(next_job, job[next_job].state == NESTED);
        if
        :: next_job == JOBS && foreigners == 0 && !any_answered && !abort_below ->
            first_queued(next_job);
            if
            :: next_job < JOBS -> foreign_chosen = true
            :: else
            fi
        :: else
        fi
    :: else
    fi;
    if
#ifndef FAULT_ANSWER_STARVES
    :: where == IN_WAIT && job[w].answered
#endif
    :: else -> choose_stream(next_stream)
    fi
}

#define stepped(j) (job[j].state == STREAM && (job[j].granted || due(j)))
#define for_answer(j) (!any_answered || job[j].within != NONE || due(j))

#define stands(j) \
    ((depth > 0 && stack[0] == j) || (depth > 1 && stack[1] == j) || (depth > 2 && stack[2] == j) || \
     (depth > 3 && stack[3] == j))

/* One that stands on the stack is being stepped. */
inline choose_stream(j) {
    pick(j, stepped(j) && for_answer(j) && !stands(j))
}
inline start(j) {
    move(j, ON_MAIN);
    job[j].foreign = foreign_chosen;
    foreign_chosen = false;
    push(j)
}

/* Jobs and streams take turns. */
inline begin_work() {
    if
    :: next_job < JOBS && (next_stream == JOBS || !turn) -> turn = true; start(next_job)
    :: else -> turn = false; foreign_chosen = false; push(next_stream)
    fi
}
#define has_work (next_job < JOBS || next_stream < JOBS)

/* -- reading (session/reader, session/intake) -- */

mtype = { REQUEST, CANCEL, ANSWER, NEXT };
chan pipe = [1] of { mtype, byte };

/* intake_accept and what follows, with the lock. `direct` starts the job at once. */
inline take_in(what, j, by_main, direct, started) {
    if
    :: what == REQUEST ->
        if
        :: job[j].within != NONE && job[job[j].within].calls && !job[job[j].within].answered ->
            move(j, NESTED);
            wake_main(by_main)
        :: else ->
            job[j].within = NONE;
            if
            :: direct -> start(j); started = true
            :: else -> move(j, QUEUED); wake_main(by_main)
            fi
        fi
    :: what == CANCEL -> abort_job(j, by_main)
    :: what == ANSWER ->
        if
        :: job[j].calls -> job[j].answered = true; wake_main(by_main)
        :: else
        fi
    :: what == NEXT ->
        job[j].granted = true;
        if
        :: job[j].state == STREAM || job[j].state == TASK -> wake_main(by_main)
        :: else
        fi
    fi
}

/* -- the main thread -- */

inline wait_for_work() {
    if
    :: input == IS_FREE -> input = IS_MAINS; enter(READS)
    :: else -> enter(SLEEPS_THERE); signalled = false
    fi
}

inline enter_loop() {
    loop_runs = true;
    push(LOOP);
    enter(LOOPS)
}

/* invoke_table_remove: what was made within the call and has not begun is queued. */
inline remove_call(i) {
    job[i].calls = false;
    job[i].blocks = false;
    n = 0;
    do
    :: n < JOBS ->
        if
        :: job[n].state == NESTED && job[n].within == i -> move(n, QUEUED)
        :: else
        fi;
        n++
    :: else -> break
    od;
    n = 0
}

/* What ran before: nothing, a job or a stream, the loop. */
mtype = { NOTHING, SOMETHING, THE_LOOP };

active proctype main_thread() {
    byte j;
    mtype what, before = NOTHING;
    bool until, direct, started;
again:
    if
    :: depth == 0 -> goto idle
    :: depth > 0 && TOP == LOOP -> goto loop
    :: is_job_on_top && job[TOP].state == ON_MAIN && job[TOP].calls -> goto wait
    :: is_job_on_top && !(job[TOP].state == ON_MAIN && job[TOP].calls) -> goto code
    fi;

    /* next_while_idle; do_work runs the loop after whatever was done. */
idle:
    atomic {
        before = NOTHING;
        choose(IDLE);
        if
        :: tasks > 0 -> enter_loop()
        :: tasks == 0 && has_work -> begin_work(); handoff_busy()
        :: tasks == 0 && !has_work && handlers_due -> handlers_due = false; tripped = false; handoff_busy()
        :: else ->
            handoff_idle();
            pick(j, job[j].state == QUEUED);
            direct = j == JOBS;
            until = false;
            j = 0;
            wait_for_work()
        fi
    };
    if
    :: place == READS || place == SLEEPS_THERE -> goto sleep
    :: else -> until = false; goto again
    fi;

    /* scheduler_wait_for_answer. */
wait:
    atomic {
        choose(IN_WAIT);
        if
        :: before == SOMETHING && tasks > 0 && !loop_runs -> enter_loop(); goto again
        :: else
        fi;
        if
        :: before != NOTHING && due(TOP) -> raise(TOP); before = NOTHING; goto wait_over
        :: else
        fi;
        before = NOTHING
    };
    /* next_while_waiting */
    atomic {
        handoff_idle();
        pick(j, job[j].state == QUEUED || job[j].state == NESTED);
        until = !job[TOP].waited && j < JOBS; /* foreign_from */
        j = 0;
        choose(IN_WAIT);
#ifdef FAULT_TWO_CLOCKS
        if
        :: until -> until = false; job[TOP].waited = true /* the time was up between the two */
        :: true
        fi;
#endif
        if
        :: has_work -> begin_work(); handoff_busy()
        :: !has_work && job[TOP].answered -> until = false; handoff_busy(); goto wait_over
        :: !has_work && !job[TOP].answered && (due(TOP) || handlers_due) ->
            handlers_due = handlers_due && due(TOP);
            before = THE_LOOP;
            handoff_busy()
        :: else ->
            direct = false;
            wait_for_work()
        fi
    };
    if
    :: place == READS || place == SLEEPS_THERE -> goto sleep
    :: else -> until = false; goto again
    fi;
wait_over:
    skip;
    atomic {
        remove_call(TOP);
        job[TOP].kind = PLAIN /* it calls once */
    };
    goto again;

    /* wait_for_work */
sleep:
    if
    :: atomic { place == SLEEPS_THERE && signalled -> signalled = false }; goto woken
    :: atomic { place == SLEEPS_THERE && until -> job[TOP].waited = true }; goto woken
    :: place == READS -> skip /* main_before_read: a signal here is lost */
    fi;
    in_read = true;
    if
    :: atomic { nempty(pipe) -> in_read = false; interrupted_read = false }
    :: atomic { interrupted_read -> in_read = false; interrupted_read = false; handlers_due = true }; goto read
    :: atomic { until -> in_read = false; interrupted_read = false; job[TOP].waited = true }; goto read
    fi;
    do
    :: pipe?what, j;
        atomic { take_in(what, j, true, direct, started); direct = false };
        reply_to_unbegun(j);
        if
        :: nempty(pipe) -> skip /* it came along: queue_read_ahead */
        :: true -> break
        fi
    od;
read:
    skip;
woken:
    atomic {
        j = 0; what = 0; until = false; direct = false;
        if
        :: place == READS -> input = IS_FREE
        :: else
        fi;
        if
        :: loop_runs -> enter(LOOPS)
        :: else -> enter(WORKS)
        fi;
        if
        :: started -> started = false; handoff_busy()
        :: else
        fi
    };
    goto again;

    /* Inside of the loop: a byte in its pipe wakes it, a task that can go on, or a signal. */
loop:
    if
    :: atomic { wake_byte -> wake_byte = false }; goto pump
    :: atomic { tripped -> tripped = false }; goto again
    :: atomic { some(may_complete) -> pick(j, may_complete(j)); remove_call(j); move(j, ENDED) }
    fi;
    atomic { reply(j); j = 0; wake_byte = true };
    goto again;
pump:
    if
    :: atomic { aborts_due -> aborts_due = false }; goto cancel_tasks
    :: else -> goto work_in_loop
    fi;
cancel_tasks:
    do
    :: atomic { some(is_aborted_task) -> pick(j, is_aborted_task(j)); raise(j); remove_call(j); move(j, ENDED) };
        atomic { reply(j); j = 0; wake_byte = true }
    :: else -> break
    od;
work_in_loop:
    skip;
    atomic {
        choose(IN_LOOP);
        if
        :: has_work -> wake_byte = true; begin_work()
        :: !has_work && (tasks == 0 || (w != NONE && (job[w].answered || due(w)))) ->
            pop(); loop_runs = false; before = THE_LOOP; enter(WORKS)
        :: else
        fi
    };
    goto again;

    /* The code of the job on top, or a step of the stream on top: a signal is seen at the next bytecode. */
code:
    if
    :: atomic { tripped -> on_signal(TOP) }
    :: !job[TOP].entered || job[TOP].kind != SPINS || job[TOP].raised -> skip
    fi;
    atomic {
        before = SOMETHING;
        if
        :: (job[TOP].state == STREAM || !job[TOP].entered) && due(TOP) -> raise(TOP) /* go_on, enter_code */
        :: else
        fi;
        job[TOP].entered = true;
        n = 0;
        do
        :: n < JOBS && !job[n].blocks -> n++
        :: else -> break
        od;
        if
        :: job[TOP].raised || job[TOP].kind == PLAIN || (job[TOP].state == STREAM && job[TOP].kind == ITERATES) ->
            goto ends
        :: !job[TOP].raised && job[TOP].kind == SPINS
        :: !job[TOP].raised && calls_and_waits(TOP) ->
            job[TOP].calls = true;
            job[TOP].blocks = loop_runs;
            before = NOTHING
        :: !job[TOP].raised && (job[TOP].kind == AWAITS || job[TOP].kind == SLEEPS || job[TOP].kind == ASKS) ->
            if
            :: n < JOBS -> goto ends /* can_await */
            :: else
            fi;
            j = TOP; pop(); move(j, TASK); /* move_to_task */
            job[j].calls = job[j].kind == ASKS;
            aborts_due = aborts_due || due(j);
            wake_main(true)
        :: !job[TOP].raised && job[TOP].state == ON_MAIN && (job[TOP].kind == ITERATES || job[TOP].kind == ENDLESS) ->
            j = TOP; pop(); move(j, STREAM); wake_main(true) /* stream_begin */
        :: !job[TOP].raised && job[TOP].state == STREAM && job[TOP].kind == ENDLESS ->
            pop(); wake_main(true) /* leave_stream */
        fi;
        j = 0; n = 0
    };
    goto again;

    /* reply_build and job_finish, then reply_write. */
ends:
    skip;
    atomic { j = TOP; n = 0; pop(); move(j, ENDED) };
    atomic { reply(j); j = 0 };
    goto again
}

/* -- the reader thread -- */

active proctype reader() {
    byte j;
    mtype what;
    bool taken, unused;
    do
    :: watched && nempty(pipe) ->
        /* read_while_busy */
        atomic {
            taken = input == IS_FREE && busy;
            if
            :: taken -> input = IS_READERS
            :: else -> watched = false
            fi
        };
        if
        :: taken && nempty(pipe) ->
            pipe?what, j;
            atomic { take_in(what, j, false, false, unused) };
            reply_to_unbegun(j)
        :: !taken || empty(pipe) -> skip
        fi;
        atomic {
            j = 0; what = 0;
            if
            :: taken ->
                input = IS_FREE; taken = false;
                if
                :: place == SLEEPS_THERE -> signalled = true
                :: else
                fi
            :: else
            fi
        }
    :: atomic { notified -> notified = false }; reply_to_unbegun(j)
    od
}

/* -- the timer -- */

active proctype timer() {
    byte j;
    bool was_queued;
    do
#ifndef FAULT_LOST_POKE
    :: atomic { poked -> kick() } /* poke_again */
#endif
    :: atomic { ticking -> ticking = false; watched = watched || busy } /* on_tick */
    :: atomic {
            some(is_late) -> pick(j, is_late(j)); /* job_expire */
            job[j].deadline = false; job[j].asked = true;
            was_queued = job[j].state == QUEUED
#ifndef FAULT_NO_LOCK
            ;
#else
        };
        atomic {
#endif
            if
            :: was_queued -> end_unbegun(j)
            :: else -> abort_job(j, false)
            fi;
            notified = notified || job[j].unbegun; /* reader_notify */
            was_queued = false; j = 0
        }
    :: atomic {
            some(is_to_retry) -> pick(j, is_to_retry(j));
            job[j].retry = false;
            if
            :: due(j) -> abort_deliver(j, false)
            :: else
            fi;
            j = 0
        }
    od
}

/* -- the client -- */

bool last_cancels;
bool sent_answer[JOBS], sent_next[JOBS], sent_cancel[JOBS];

#ifndef DEADLINES
#define DEADLINES 1
#endif

inline choose_kind(j) {
    if
#ifdef KIND_0
    :: j == 0 -> job[j].kind = KIND_0
    :: j == 1 -> job[j].kind = KIND_1
#if JOBS > 2
    :: j == 2 -> job[j].kind = KIND_2
#endif
#else
    :: job[j].kind = PLAIN
    :: job[j].kind = SPINS
    :: job[j].kind = CALLS
    :: job[j].kind = HANGS
    :: job[j].kind = AWAITS
    :: job[j].kind = SLEEPS
    :: job[j].kind = ASKS
    :: job[j].kind = ITERATES
#endif
    fi
}

#define may_answer(j) (job[j].calls && job[j].kind != HANGS && !sent_answer[j])
#define may_grant(j) ((job[j].kind == ITERATES || job[j].kind == ENDLESS) && !sent_next[j] && j < next)
#define may_cancel(j) (last_cancels && !job[j].replied && !sent_cancel[j] && j < next)

active proctype client() {
    byte next, j, cancels = CANCELS, deadlines = DEADLINES;
    do
    :: atomic {
            nfull(pipe) && next < JOBS ->
            job[next].state = NEW; job[next].within = NONE;
            choose_kind(next);
            if
            :: next > 0 && (calls_and_waits(0) || job[0].kind == ASKS) -> job[next].within = 0
            :: next > 1 && (calls_and_waits(1) || job[1].kind == ASKS) -> job[next].within = 1
            :: true
            fi;
            if
            :: job[next].concurrent = true
            :: true
            fi;
            if
            :: deadlines > 0 -> deadlines--; job[next].deadline = true
            :: true
            fi;
            pipe!REQUEST, next;
            next++
        }
    :: atomic { nfull(pipe) && some(may_answer) -> pick(j, may_answer(j)); sent_answer[j] = true; pipe!ANSWER, j; j = 0 }
    :: atomic { nfull(pipe) && some(may_grant) -> pick(j, may_grant(j)); sent_next[j] = true; pipe!NEXT, j; j = 0 }
    :: atomic {
            nfull(pipe) && cancels > 0 && next > 0 ->
            if
            :: j = 0
            :: next > 1 -> j = 1
            :: next > 2 -> j = 2
            fi;
            cancels--; job[j].asked = true; pipe!CANCEL, j; j = 0
        }
    :: atomic { cancels > 0 -> cancels = 0 }
    :: atomic { deadlines > 0 && next == JOBS -> deadlines = 0 }
    :: atomic {
            nfull(pipe) && some(may_cancel) ->
            pick(j, may_cancel(j)); sent_cancel[j] = true; job[j].asked = true; pipe!CANCEL, j; j = 0
        }
    od
}

/* -- what must hold -- */

/* No process can go on. Then nothing is due, which a lost wake-up would have left: no job may begin, no stream is ready, no
 * answer has come, no abort waits but for what runs on top of its job. Once all jobs are cancelled, each has its reply. */
active proctype observer() {
    timeout;
    atomic {
        choose(IDLE);
        if
        :: depth == 0 -> choose(IDLE); assert(!has_work && !handlers_due)
        :: depth > 0 && TOP == LOOP ->
            choose(IN_LOOP);
            assert(!has_work && !aborts_due && !some(is_aborted_task));
            assert(w == NONE || !(job[w].answered || due(w)))
        :: is_job_on_top && job[TOP].calls && job[TOP].state == ON_MAIN ->
            choose(IN_WAIT);
            assert(!has_work && !handlers_due && !job[TOP].answered && !due(TOP))
        :: is_job_on_top && !(job[TOP].calls && job[TOP].state == ON_MAIN) ->
            assert(job[TOP].kind == SPINS && !due(TOP))
        fi;
        foreign_chosen = false; turn = false;
        assert(!some(is_unbegun) && empty(pipe));
        last_cancels = true
    };
    timeout;
#define has_reply(j) (job[j].state == ENDED && job[j].replied)
#define lacks_reply(j) (!has_reply(j))
    assert(!some(lacks_reply))
}

#ifdef LTL_ANSWER
ltl answer { [] (job[0].answered -> <> job[0].replied) }
#endif
#ifdef LTL_SERVED
ltl served { [] (job[1].state == QUEUED -> <> job[1].replied) }
#endif
