/* Drives schedule points from the test's side (port/os/schedule.h): holds and releases the threads of another process,
 * or of this one. A wait of more than ten seconds fails the test, with the name of the point and what it waited for. */
#ifndef PYTHONX_TESTS_SCHEDULE_CONTROL_H
#define PYTHONX_TESTS_SCHEDULE_CONTROL_H

struct schedule_control;

/* Listens on a Unix socket in a folder of its own. */
struct schedule_control *schedule_control_new(void);

/* Returns PYTHONX_SCHEDULE_SOCKET=path, for the environment of the process to be driven. Valid as long as the
 * control. */
const char *schedule_control_variable(const struct schedule_control *control);

/* Closes the connection, which releases all points, and frees the control. */
void schedule_control_free(struct schedule_control *control);

/* Holds the point: after the return, all threads that reach it stop there; with _once, only the next one does. The
 * first such call waits for the process to connect. */
void schedule_hold(struct schedule_control *control, const char *point);
void schedule_hold_once(struct schedule_control *control, const char *point);

/* Waits until a thread has stopped at the point; returns once for each that does. */
void schedule_wait_reached(struct schedule_control *control, const char *point);

/* Ends the hold: the threads that stopped at the point go on, and no other stops. */
void schedule_release(struct schedule_control *control, const char *point);

#endif
