#include "python/emit.h"

#include "queue/session.h"

void emit_message(const struct message *message)
{
    PyThreadState *thread = PyEval_SaveThread();
    writer_send(session.writer, message);
    PyEval_RestoreThread(thread);
}

bool emit_and_free(struct message *message)
{
    bool whole = message_finish(message) == MESSAGE_OK;
    if (whole)
        emit_message(message);
    message_free(message);
    return whole;
}
