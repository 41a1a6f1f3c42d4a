/* Models aborts of jobs on another thread of Python than the main one, for Spin (spin(1)); `make model` runs it. */

/* Job 0 runs on the thread and calls the BEAM; job 1 was made within that call, and runs on top of it. `gil` is Python's
 * lock: code runs only with it. A section under the session's lock is one `atomic` block. What stands for what:
 *
 *   thread        execute_nested, call_and_wait (beam/invoke), invoke_table_wait
 *   main_thread   do_work, next_while_idle, interrupt_threads (python/interrupt)
 *   reader        abort_cancel, abort_deliver (session/abort)
 *   timer         on_timer: poke_again, job_expire
 *   observer      checks what must hold once no process can go on
 *
 * Left out: who has the input, streams on a thread, jobs that run on the main thread. */

mtype = { RUNS, ENDED };
typedef job_type {
    mtype state;
    bool begun, abortable, covered, waits;
    bool asked; /* the client cancelled it */
    bool aborted, delivered, retry, raised;
}
job_type job[2];
#define due(j) (job[j].aborted && !job[j].delivered)

bool gil;
#define take_gil atomic { !gil -> gil = true }
#define give_gil gil = false

mtype = { WORKS, READS };
mtype place = WORKS;
bool handlers_due, tripped, poked, in_read, interrupted_read;
bool arrived;       /* the condition of the invocation */
bool answered, nested;
bool async_exc;     /* PyThreadState_SetAsyncExc: an exception is on its way to the thread */
byte top;           /* what the thread runs */
bool forever;       /* its code ends only if it is aborted */

inline kick() {
    tripped = true;
    if
    :: in_read -> interrupted_read = true
    :: else
    fi
}

inline interrupt_main() {
    if
    :: place == WORKS -> kick()
    :: place == READS -> kick(); poked = true
    fi;
#ifdef FAULT_LOST_HANDLERS
    if
    :: place == READS -> handlers_due = true
    :: else
    fi
#else
    handlers_due = true
#endif
}

inline abort_deliver(j) {
    if
    :: job[j].begun && job[j].state == RUNS ->
        arrived = arrived || j == 0;
        if
        :: !job[j].covered && !job[j].waits -> interrupt_main()
        :: else
        fi
    :: else
    fi
}

inline raise(j) {
    assert(job[j].asked); /* no wrong victim */
    job[j].raised = true
}

/* interrupt_raise */
inline look(j) {
    atomic {
        if
        :: due(j) -> job[j].delivered = true; raise(j)
        :: else
        fi
    }
}

/* A bytecode of what the thread runs, with the GIL, which it may give up before. */
inline bytecode() {
    if
    :: give_gil; take_gil
    :: true
    fi;
    atomic {
        if
        :: async_exc -> async_exc = false; raise(top)
        :: else
        fi
    }
}

/* What runs until it is aborted, or ends at some time; then reply_build: interrupt_leave_thread, job_finish. */
inline run_code(j) {
    do
    :: job[j].raised -> break
    :: !job[j].raised && !job[j].asked && !forever -> break
    :: !job[j].raised && (async_exc || !forever) -> bytecode()
    :: !job[j].raised && forever && !async_exc -> give_gil; async_exc -> take_gil
    od;
    atomic { job[j].abortable = false; async_exc = false };
    atomic { job[j].state = ENDED; job[j].waits = false }
}

active proctype thread() {
    if
    :: forever = true
    :: forever = false
    fi;
    take_gil;
    atomic { job[0].begun = true; job[0].abortable = true };
    look(0); /* enter_code */
    if
    :: job[0].raised -> goto over
    :: else
    fi;
    bytecode();
    if
    :: job[0].raised -> goto over
    :: else
    fi;
    /* call_and_wait: set_waits, then the invoke event is written without the GIL. */
#ifndef FAULT_WRONG_VICTIM
    atomic { job[0].waits = true };
#endif
    give_gil;
    take_gil;
    atomic { job[0].waits = true };
    look(0);
    do
    :: job[0].raised -> break
    :: !job[0].raised && answered -> break
    :: else ->
        give_gil;
        atomic { (nested || answered || due(0) || arrived) -> arrived = false };
        take_gil;
        if
        :: atomic {
                nested -> nested = false; top = 1; job[0].covered = true; job[1].begun = true; job[1].abortable = true
            };
            look(1);
            run_code(1);
            atomic { top = 0; job[0].covered = false }
        :: !nested
        fi;
        look(0)
    od;
    atomic { job[0].waits = false };
    if
    :: !job[0].raised -> look(0)
    :: else
    fi;
over:
    run_code(0);
    give_gil
}

/* wants_exception, for each job; a place that is not the user's code is tried again later. */
inline interrupt_threads() {
    k = 0;
    do
    :: k < 2 ->
        atomic {
            if
            :: job[k].begun && job[k].state == RUNS && !job[k].covered && !job[k].waits && job[k].abortable && due(k) ->
                if
                :: job[k].delivered = true; async_exc = true
                :: job[k].retry = true
                fi
            :: else
            fi
        };
        k++
    :: else -> break
    od;
    k = 0
}

active proctype main_thread() {
    byte k;
    do
    /* Some request runs, and is replied to without the GIL. */
    :: take_gil;
        if
        :: atomic { tripped -> tripped = false }; interrupt_threads()
        :: true
        fi;
        give_gil;
next:
        atomic {
            if
            :: handlers_due -> handlers_due = false; tripped = false; goto handlers
            :: else -> place = READS; poked = false
            fi
        };
        skip; /* main_before_read */
        in_read = true;
        atomic { interrupted_read -> in_read = false; interrupted_read = false };
        atomic { place = WORKS; poked = false; handlers_due = true };
        goto next;
handlers:
        take_gil;
        interrupt_threads();
        give_gil;
        goto next
    od
}

active proctype reader() {
    byte cancels = 2, j;
    bool sent;
    job[0].state = RUNS; job[1].state = RUNS;
    do
    :: !sent && job[0].waits && !answered -> atomic { sent = true; nested = true; arrived = true }
    :: job[0].waits && !answered && (!sent || job[1].begun) -> atomic { sent = true; answered = true; arrived = true }
    :: cancels > 0 ->
        atomic {
            cancels--;
            if
            :: job[0].begun -> j = 0
            :: job[1].begun -> j = 1
            :: true -> goto more
            fi;
            job[j].asked = true;
            if
            :: job[j].state == RUNS -> job[j].aborted = true; job[j].delivered = false; abort_deliver(j)
            :: else
            fi
        };
more:
        j = 0
    od
}

active proctype timer() {
    byte j;
    do
    :: atomic { poked -> kick() }
    :: atomic {
            job[0].retry || job[1].retry ->
            if
            :: job[0].retry -> j = 0
            :: !job[0].retry -> j = 1
            fi;
            job[j].retry = false;
            if
            :: due(j) -> abort_deliver(j)
            :: else
            fi;
            j = 0
        }
    od
}

/* No process can go on: no abort is left but that of a job which another one runs on top of, and no exception that was
 * raised for a job that has ended. */
active proctype observer() {
    timeout;
    assert(!(due(0) && job[0].begun && job[0].state == RUNS && !job[0].covered));
    assert(!(due(1) && job[1].begun && job[1].state == RUNS));
    assert(!async_exc && !poked)
}
