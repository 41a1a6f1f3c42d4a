/* Ends a job: builds its reply, writes it, and releases what it used. These are separate steps because they need
 * different locks and threads; execute.c, the event loop and streams all end their jobs by these. */
#ifndef PYTHONX_REPLY_H
#define PYTHONX_REPLY_H

#include <stdbool.h>

#include "python/context.h"
#include "queue/job.h"
#include "wire/message.h"

/* Builds the reply for the value, whose reference is taken over, or, if that is NULL, for the error set. Ends the job,
 * which becomes the caller's, and detaches the context. Never leaves an error set. Needs the GIL. */
void reply_build(struct context *context, PyObject *value, struct message *reply);

/* Builds an error reply without Python, if memory is too short for it. */
void reply_build_error(struct job *job, const char *text, struct message *reply);

/* Writes the reply. Must be called without the GIL, as it waits for a slow client. */
void reply_write(struct job *job, const struct message *reply);

/* Frees the job, and the objects of the reply. Needs the GIL if reply_holds_objects returns true; the message stays the
 * caller's. */
void reply_release(struct job *job, struct message *reply);
bool reply_holds_objects(const struct job *job, const struct message *reply);

/* Writes and releases the reply. Needs the GIL, and releases it meanwhile. */
void reply_write_and_release(struct job *job, struct message *reply);

/* Builds, writes and releases the reply. Takes the value and the reference to the context over. Needs the GIL. */
void reply_end(struct context *context, PyObject *value);

/* Replies to a job that was ended before it began (job_take_aborted), and frees it. Any thread may call it, without the
 * GIL. */
void reply_to_unbegun(struct job *job);

/* Appends one value of a stream, as the request's options demand. Returns 0, or -1 with an error set. Needs the GIL. */
int reply_put_item(struct context *context, PyObject *item, struct message *message);

#endif
