/* Runs on whatever thread read the frame. */
#include "segment_request.h"

#include "protocol.h"
#include "segment.h"
#include "term.h"

void segment_request_lend(struct message *message, const struct request *request)
{
    struct span span = request->arguments;
    struct term_head head;
    long long size;
    struct segment_loan loan;
    if (term_read_head(&span, &head) != TERM_OK || !term_integer(&head, &size) || size < 0 || span_left(&span) > 0) {
        request_put_error(message, request->id, PROTOCOL_BAD_REQUEST, "segment takes a number of bytes");
        return;
    }
    message_put_tuple(message, 3);
    message_put_atom_text(message, PROTOCOL_OK);
    request_put_id(message, request->id);
    if (!segment_lend((size_t)size, &loan)) {
        message_put_atom_text(message, "nil");
        return;
    }
    message_put_tuple(message, 5);
    message_put_atom_text(message, PROTOCOL_SEGMENT);
    message_put_unsigned(message, loan.number);
    message_put_integer(message, loan.fd);
    message_put_integer(message, 0);
    message_put_unsigned(message, loan.size);
}

bool segment_request_give_back(const struct request *request)
{
    struct span span = request->arguments;
    struct term_head list;
    if (term_read_head(&span, &list) != TERM_OK)
        return false;
    /* Small numbers come as a string. */
    if (list.kind == TERM_STRING)
        for (size_t i = 0; i < list.length; i++)
            segment_give_back(list.data[i]);
    if (list.kind != TERM_LIST)
        return list.kind == TERM_STRING || list.kind == TERM_NIL;
    for (size_t i = 1; i < list.children; i++) {
        struct term_head head;
        long long number;
        if (term_read_head(&span, &head) != TERM_OK || !term_integer(&head, &number))
            return false;
        segment_give_back((unsigned long long)number);
    }
    return true;
}
