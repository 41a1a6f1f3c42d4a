/* Answers requests about segments, on the thread that read the frame. */
#include "shm/segment_request.h"

#include "shm/segment.h"
#include "wire/protocol.h"
#include "wire/term.h"

/* The options of a request: without any, a client gets one file, and the short form of a segment. */
struct wish {
    size_t size;
    unsigned files; /* 0: no options */
};

static bool read_options(struct span *span, struct wish *wish)
{
    struct term_head map, key, value;
    long long files;
    wish->files = 1;
    if (term_read_head(span, &map) != TERM_OK || map.kind != TERM_MAP)
        return false;
    for (size_t i = 0; i < map.children; i += 2) {
        if (term_read_head(span, &key) != TERM_OK || !term_is_atom(&key, PROTOCOL_SEGMENT_FILES) ||
            term_read_head(span, &value) != TERM_OK || !term_integer(&value, &files) || files < 1 ||
            files > SEGMENT_FILES_MAX)
            return false;
        wish->files = (unsigned)files;
    }
    return true;
}

static bool read_wish(const struct request *request, struct wish *wish)
{
    struct span span = request->arguments;
    struct term_head head;
    long long size;
    if (term_read_head(&span, &head) != TERM_OK || !term_integer(&head, &size) || size < 0)
        return false;
    *wish = (struct wish){.size = (size_t)size};
    return (span_left(&span) == 0 || read_options(&span, wish)) && span_left(&span) == 0;
}

/* Appends {'$segment', Number, Fd, 0, Size}, or {'$segment', Number, Fds, 0, Size, Generation}. */
static void put_lease(struct message *message, const struct segment_lease *lease, bool short_form)
{
    bool two = lease->second_fd >= 0;
    message_put_tuple(message, short_form ? 5 : 6);
    message_put_atom_text(message, PROTOCOL_SEGMENT);
    message_put_unsigned(message, lease->number);
    if (!short_form)
        message_put_list(message, two ? 2 : 1);
    message_put_integer(message, lease->fd);
    if (two)
        message_put_integer(message, lease->second_fd);
    if (!short_form)
        message_put_nil_list(message);
    message_put_integer(message, 0);
    message_put_unsigned(message, lease->size);
    if (!short_form)
        message_put_unsigned(message, lease->generation);
}

void segment_request_lease(struct message *message, const struct request *request)
{
    struct wish wish;
    struct segment_lease lease;
    if (!read_wish(request, &wish)) {
        request_put_error(message, request->id, PROTOCOL_BAD_REQUEST,
                          "segment takes a number of bytes, and options: files, 1 or 2");
        return;
    }
    message_put_tuple(message, 3);
    message_put_atom_text(message, PROTOCOL_OK);
    request_put_id(message, request->id);
    if (segment_lease_files(wish.size, wish.files > 0 ? wish.files : 1, &lease))
        put_lease(message, &lease, wish.files == 0);
    else
        message_put_atom_text(message, "nil");
}

bool segment_request_give_back(const struct request *request)
{
    struct span span = request->arguments;
    struct term_head list;
    if (term_read_head(&span, &list) != TERM_OK)
        return false;
    /* A list of small numbers may come as a string. */
    if (list.kind == TERM_STRING)
        for (size_t i = 0; i < list.length; i++)
            segment_release(list.data[i]);
    if (list.kind != TERM_LIST)
        return list.kind == TERM_STRING || list.kind == TERM_NIL;
    for (size_t i = 1; i < list.children; i++) {
        struct term_head head;
        long long number;
        if (term_read_head(&span, &head) != TERM_OK || !term_integer(&head, &number))
            return false;
        segment_release((unsigned long long)number);
    }
    return true;
}
