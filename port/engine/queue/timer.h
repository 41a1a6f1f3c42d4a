/* One timer for all that is to happen at some time though nothing comes in: deadlines, and items of streams that were
 * held back. It wakes the reader thread (watch.h). Any thread may set it. */
#ifndef PYTHONX_TIMER_H
#define PYTHONX_TIMER_H

/* Rings at that time (clock_us), or earlier if that was asked for; 0: nothing is asked. */
void timer_at(unsigned long long us);

/* It rang: whoever has still something to wait for asks anew. */
void timer_fired(void);

#endif
