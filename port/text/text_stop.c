/* Only what may hide a full stop is told apart: quotes, characters, comments. */
#include "text_stop.h"

/* In a quote or in a character, after what came before `byte`. */
static void go_on(struct text_stop *stop, unsigned char byte)
{
    if (stop->quote != 0)
        stop->state = byte == stop->quote ? TEXT_BETWEEN : byte == '\\' ? TEXT_ESCAPE : TEXT_QUOTED;
    else
        stop->state = byte == '\\' ? TEXT_ESCAPE : TEXT_BETWEEN;
}

static void begin(struct text_stop *stop, unsigned char byte)
{
    stop->state = TEXT_BETWEEN;
    stop->quote = 0;
    if (byte == '%')
        stop->state = TEXT_COMMENT;
    else if (byte == '$')
        stop->state = TEXT_CHARACTER;
    else if (byte == '.')
        stop->state = TEXT_POINT;
    else if (byte == '"' || byte == '\'') {
        stop->state = TEXT_QUOTED;
        stop->quote = byte;
    }
}

bool text_stop_before(struct text_stop *stop, unsigned char byte)
{
    switch (stop->state) {
    case TEXT_POINT:
        if (byte <= ' ' || byte == '%')
            return true;
        begin(stop, byte);
        return false;
    case TEXT_BETWEEN:
        begin(stop, byte);
        return false;
    case TEXT_COMMENT:
        if (byte == '\n')
            stop->state = TEXT_BETWEEN;
        return false;
    case TEXT_QUOTED:
    case TEXT_CHARACTER:
        go_on(stop, byte);
        return false;
    case TEXT_ESCAPE:
        stop->state = byte == '^' ? TEXT_CONTROL : stop->quote != 0 ? TEXT_QUOTED : TEXT_BETWEEN;
        return false;
    case TEXT_CONTROL:
        stop->state = stop->quote != 0 ? TEXT_QUOTED : TEXT_BETWEEN;
        return false;
    }
    return false;
}
