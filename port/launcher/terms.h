/* Runs `pythonx_port encode` and `pythonx_port decode`: Erlang itself reads and prints terms. */
#ifndef PYTHONX_TERMS_H
#define PYTHONX_TERMS_H

/* Replaces the process by an emulator that runs pythonx_terms.escript with this command. Returns the exit status if
 * that fails, after a message on stderr. */
int terms_run(const char *command);

#endif
