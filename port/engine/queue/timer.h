/* Calls one function at the earliest of the times that were asked for: deadlines of jobs, aborts that are delivered
 * again, items of streams that were held back. It has a thread of its own, which does nothing that can block; the
 * thread is started when the first time is asked for. */
#ifndef PYTHONX_TIMER_H
#define PYTHONX_TIMER_H

/* The function must not block. It asks for the next time by itself. */
typedef void timer_expired(unsigned long long now_us);
void timer_start(timer_expired *expired);

/* Calls the function at that time (clock_us), or earlier if that was asked for; 0: nothing is asked for. From any
 * thread; the session's lock may be held. */
void timer_at(unsigned long long us);

#endif
