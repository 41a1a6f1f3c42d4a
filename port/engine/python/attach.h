/* Lets debuggers attach to the session: sys.remote_exec and python3 -m pdb -p PID, from CPython 3.14 on (PEP 768). */
#ifndef PYTHONX_ATTACH_H
#define PYTHONX_ATTACH_H

/* Shows debuggers which thread is the main one, and has the idle session look for them (session.attach_look_ms). Must
 * be called on the main thread, before the reader thread learns that Python is ready. */
void attach_start(void);

/* Runs what a debugger has asked for, on the idle main thread. Exceptions are reported as unraisable. */
void attach_look(void);

/* Must be called just before Python ends. */
void attach_stop(void);

#endif
