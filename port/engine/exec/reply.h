/* Ends a job: its reply is built, written, and what it used released. These are separate steps because they differ in
 * who may take them; whatever carries a job to its end uses them: execute.c, the event loop, a stream. */
#ifndef PYTHONX_REPLY_H
#define PYTHONX_REPLY_H

#include <stdbool.h>

#include "python/context.h"
#include "queue/job.h"
#include "wire/message.h"

/* Builds the reply for the value, whose reference is taken over, or, if that is NULL, for the error set. Ends the job,
 * which becomes the caller's, and detaches the context. Never leaves an error set. With the GIL. */
void reply_build(struct context *context, PyObject *value, struct message *reply);

/* The same without Python, if memory is too short for it. */
void reply_build_error(struct job *job, const char *text, struct message *reply);

/* Writes it. Without the GIL, as it waits for a slow client. */
void reply_write(struct job *job, const struct message *reply);

/* Frees the job, and what the reply looked at. With the GIL if reply_holds_objects; the message stays the caller's. */
void reply_release(struct job *job, struct message *reply);
bool reply_holds_objects(const struct job *job, const struct message *reply);

/* The last two, with the GIL, which is given up meanwhile. */
void reply_write_and_release(struct job *job, struct message *reply);

/* All of them, with the GIL. Takes the value and the reference to the context over. */
void reply_end(struct context *context, PyObject *value);

/* Replies to a job that was ended before it began (job_take_aborted), and frees it. Without the GIL, from any thread.
 */
void reply_to_unbegun(struct job *job);

/* Appends one value of a stream, as the request's options say; -1 with an error set. With the GIL. */
int reply_put_item(struct context *context, PyObject *item, struct message *message);

#endif
