/* Models the order of the locks, for Spin (spin(1)); `make model` runs it: no threads wait for each other forever. */

/* port/os/lock.h has the ranks. Each thread takes its locks in every sequence that the code has, any number of times:
 *
 *   flush          exec/stream: the GIL is given up; sending, session, and the writer with session given up
 *   emit           python/emit, reply_write: the GIL is given up; writer
 *   look           anything with the GIL that takes the session's lock, and the timer's within it (timer_at)
 *   section        the same without the GIL: scheduler, reader, invoke_table_wait
 *   send_due       stream_send_due, by the reader thread
 *   fork           with the GIL: session (queue/session.c: before_fork)
 *
 * The client reads at some time whatever is written: a writer does not wait forever for it. */

#define GIL 0
#define SENDING 1
#define WRITER 2
#define SESSION 3
#define TIMER 4

bool taken[5];
inline take(lock) { atomic { !taken[lock] -> taken[lock] = true } }
inline give(lock) { taken[lock] = false }

inline write_frame() { take(WRITER); give(WRITER) }
inline section() { take(SESSION); if :: take(TIMER); give(TIMER) :: true fi; give(SESSION) }
inline send_batch() { take(SENDING); take(SESSION); give(SESSION); write_frame(); section(); give(SENDING) }

/* A thread of Python: it has the GIL while it runs code. */
proctype python_thread() {
    do
    :: take(GIL);
        if
        :: section() /* look */
        :: take(SESSION); give(SESSION) /* fork */
        :: give(GIL); section(); take(GIL)
        :: give(GIL); write_frame(); take(GIL) /* emit */
#ifndef FAULT_LOCK_ORDER
        :: give(GIL); send_batch(); take(GIL) /* flush */
#else
        :: send_batch(); give(GIL); take(GIL)
        :: give(GIL); take(SESSION); take(SENDING); give(SENDING); give(SESSION); take(GIL)
#endif
        fi;
        give(GIL)
    od
}

active proctype reader_thread() {
    do
    :: section()
    :: write_frame()
    :: send_batch() /* send_due */
    od
}

active proctype timer_thread() {
    do
    :: take(TIMER); give(TIMER); section()
    od
}

init { run python_thread(); run python_thread() }
