/* Starts a pythonx_port under test, writes to it without ever blocking, reads from it, and waits for its end. */
#ifndef PYTHONX_TESTS_PORT_PROCESS_H
#define PYTHONX_TESTS_PORT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/frame.h"
#include "wire/span.h"

struct port_process;

/* Starts the port. `schedule_seed` is its PYTHONX_SCHEDULE_SEED; NULL: unset. `python` may be NULL. */
struct port_process *port_process_start(const char *program, const char *python, const char *schedule_seed);

pid_t port_process_pid(const struct port_process *process);

/* Sends a frame in the notation of terms.h, whose %t is this term; nothing once the input has ended. */
void port_process_send(struct port_process *process, const char *text, struct span term);

/* Sends an exec of a whole file. */
void port_process_send_file(struct port_process *process, long long id, const char *path);

/* Ends the port's input, once all that was sent is written. */
void port_process_close_input(struct port_process *process);

/* Closes both descriptors at once, possibly in the middle of a frame. */
void port_process_hang_up(struct port_process *process);

/* Waits until `until` (now_us) for a frame, and writes meanwhile. Returns FRAME_WAIT if there was none. */
enum frame_status port_process_next(struct port_process *process, uint64_t until, struct frame *frame);

/* Returns how many bytes were sent and are not written yet. */
size_t port_process_unwritten(const struct port_process *process);

/* Waits for the end until `until`. Returns the exit status, or a signal's number, negative; -1000 if the port goes
 * on. */
int port_process_wait(struct port_process *process, uint64_t until);

/* Returns the end of its text on stderr; valid until the next call. */
const char *port_process_errors(struct port_process *process);

/* Kills the port if it still runs. */
void port_process_free(struct port_process *process);

#endif
