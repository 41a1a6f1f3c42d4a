/* Starts threads that take no signals, and waits on conditions until a time. */
#ifndef PYTHONX_THREAD_H
#define PYTHONX_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Starts a detached thread with all signals blocked: signals are for Python's main thread. Returns false, with errno,
 * if the system has no more threads. */
bool thread_start(void *(*function)(void *argument), void *argument);

/* Initialises a condition whose waits are measured on the clock of clock_us. */
void thread_condition_init(pthread_cond_t *condition);

/* Waits until the condition is signalled or clock_us reaches `until_us` (0: forever). May return earlier. */
void thread_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, unsigned long long until_us);

#endif
