/* The end of a request: its reply is made, sent, and what it used let go. In three steps, as they differ in who may
 * take them; whoever carries a request on to its end uses these, be it serve.h, the loop or a stream. */
#ifndef PYTHONX_REPLY_H
#define PYTHONX_REPLY_H

#include <stdbool.h>

#include "exec/execute.h"
#include "python/py_api.h"
#include "queue/job.h"
#include "wire/message.h"
#include "wire/writer.h"

/* The writer is borrowed for good. */
void reply_start(struct writer *writer);

/* All-zero before the first; may be used again and again. */
struct reply {
    struct job *job; /* owned; NULL: there is nothing to send or to let go */
    struct message message;
    bool replies, timing;
};

/* Makes the reply for the value, or, where that is NULL, for the error set; takes the value over, and the job: from
 * here on the owner has none. With the GIL. */
void reply_make(struct reply *reply, struct run *run, PyObject *value);

/* The same without Python, where memory is too short for it. */
void reply_make_error(struct reply *reply, struct job *job, const char *text);

/* Without the GIL. */
void reply_send(struct reply *reply);

/* With the GIL, where reply_holds_objects. */
void reply_sent(struct reply *reply);
bool reply_holds_objects(const struct reply *reply);

/* The last two, with the GIL; frees the message. */
void reply_send_now(struct reply *reply);

/* All of them, with the GIL. Takes the value and the reference to run->owner over. */
void reply_end(struct run *run, PyObject *value);

/* Answers a request that never ran, because of its verdict, and frees it. Without the GIL, from any thread. */
void reply_verdict(struct job *job);

#endif
