/* Ends the process once its input has ended, busy or not. */
#ifndef PYTHONX_SHUTDOWN_H
#define PYTHONX_SHUTDOWN_H

/* From the reader thread: sees to it that the process ends, whatever Python does. `write_due` is called meanwhile, each
 * time that the poller was notified. Never returns. */
__attribute__((noreturn)) void shutdown_run(void (*write_due)(void));

/* The session ends with a request that had to be given up, unless it ends with another failure already. */
void shutdown_give_up(void);

#endif
