/* Calls one function at the earliest of the times that were set: deadlines of jobs, aborts that are delivered again,
 * items of streams that were held back. It has a thread of its own, which never blocks; the thread is started when the
 * first time is set. */
#ifndef PYTHONX_TIMER_H
#define PYTHONX_TIMER_H

/* Handles all that is due, and sets the next time by timer_at. Must not block. */
typedef void timer_expired(unsigned long long now_us);
void timer_start(timer_expired *expired);

/* Has the function called at that time (clock_us), or earlier if an earlier one is set; 0: sets nothing. Any thread may
 * call it, also with the session's lock. */
void timer_at(unsigned long long us);

#endif
