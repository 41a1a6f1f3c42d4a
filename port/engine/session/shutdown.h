/* Ends the process once its input has ended, busy or not. */
#ifndef PYTHONX_SHUTDOWN_H
#define PYTHONX_SHUTDOWN_H

/* Ends the process, whatever Python does; never returns. `write_due` is called meanwhile, each time that the poller was
 * notified. From the reader thread. */
__attribute__((noreturn)) void shutdown_run(void (*write_due)(void));

/* Sets the exit status to EXIT_STATUS_ABANDONED, because a request had to be given up, unless the session ends with
 * another failure already. */
void shutdown_give_up(void);

#endif
