/* A pythonx_port under test: started, written to without ever blocking, read, and waited for. */
#ifndef PYTHONX_TESTS_PORT_PROCESS_H
#define PYTHONX_TESTS_PORT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/frame.h"
#include "wire/span.h"

struct port_process;

/* `schedule_seed` is PYTHONX_SCHEDULE_SEED for the port; NULL: unset. `python` may be NULL. */
struct port_process *port_process_start(const char *program, const char *python, const char *schedule_seed);

pid_t port_process_pid(const struct port_process *process);

/* Sends a frame in the notation of terms.h, whose %t is this term; nothing once the input has ended. */
void port_process_send(struct port_process *process, const char *text, struct span term);

/* Sends an exec of a whole file. */
void port_process_send_file(struct port_process *process, long long id, const char *path);

/* No more input for the port, once what was sent is written. */
void port_process_close_input(struct port_process *process);

/* Closes both at once, in the middle of a frame if that is where it is. */
void port_process_hang_up(struct port_process *process);

/* Waits until `until` (now_us) for a frame, and writes meanwhile. Returns FRAME_WAIT if there was none. */
enum frame_status port_process_next(struct port_process *process, uint64_t until, struct frame *frame);

/* Bytes that were sent and are not written yet. */
size_t port_process_unwritten(const struct port_process *process);

/* Waits for the end until `until`: its exit status, or a signal's number, negative; -1000 if it goes on. */
int port_process_wait(struct port_process *process, uint64_t until);

/* The end of what it has written to stderr; lives until the next call. */
const char *port_process_errors(struct port_process *process);

/* Kills what still runs. */
void port_process_free(struct port_process *process);

#endif
