/* Answers requests about segments, on the thread that read the frame. */
#include "shm/segment_request.h"

#include "shm/segment.h"
#include "wire/protocol.h"
#include "wire/term.h"

/* The options of a request: without any, a client gets one file, and the short form of a segment. */
struct wish {
    size_t size;
    unsigned files; /* 0: no options */
    bool ids;
};

/* The most bytes of one `fetch`: they are read into the message, on the thread that reads requests. */
#define FETCH_MAX (64LL * 1024 * 1024)

static bool read_options(struct span *span, struct wish *wish)
{
    struct term_head map, key, value;
    long long files;
    wish->files = 1;
    if (term_read_head(span, &map) != TERM_OK || map.kind != TERM_MAP)
        return false;
    for (size_t i = 0; i < map.children; i += 2) {
        if (term_read_head(span, &key) != TERM_OK || term_read_head(span, &value) != TERM_OK)
            return false;
        if (term_is_atom(&key, PROTOCOL_SEGMENT_IDS) && (term_is_atom(&value, "true") || term_is_atom(&value, "false")))
            wish->ids = term_is_atom(&value, "true");
        else if (term_is_atom(&key, PROTOCOL_SEGMENT_FILES) && term_integer(&value, &files) && files >= 1 &&
                 files <= SEGMENT_FILES_MAX)
            wish->files = (unsigned)files;
        else
            return false;
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

static void put_id(struct message *message, const struct memfd_id *id)
{
    message_put_tuple(message, 2);
    message_put_unsigned(message, id->device);
    message_put_unsigned(message, id->inode);
}

static void put_ids(struct message *message, const struct segment_lease *lease)
{
    message_put_list(message, lease->second_fd >= 0 ? 2 : 1);
    put_id(message, &lease->id);
    if (lease->second_fd >= 0)
        put_id(message, &lease->second_id);
    message_put_nil_list(message);
}

/* Appends {'$segment', Number, Fd, 0, Size}, or {'$segment', Number, Fds, 0, Size, Generation}, or that with Ids. */
static void put_lease(struct message *message, const struct segment_lease *lease, const struct wish *wish)
{
    bool two = lease->second_fd >= 0, short_form = wish->files == 0;
    message_put_tuple(message, short_form ? 5 : wish->ids ? 7 : 6);
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
    if (wish->ids)
        put_ids(message, lease);
}

void segment_request_lease(struct message *message, const struct request *request)
{
    struct wish wish;
    struct segment_lease lease;
    if (!read_wish(request, &wish)) {
        request_put_error(message, request->id, PROTOCOL_BAD_REQUEST,
                          "segment takes a number of bytes, and options: files, 1 or 2, and ids, true or false");
        return;
    }
    message_put_tuple(message, 3);
    message_put_atom_text(message, PROTOCOL_OK);
    request_put_id(message, request->id);
    if (segment_lease_files(wish.size, wish.files > 0 ? wish.files : 1, &lease))
        put_lease(message, &lease, &wish);
    else
        message_put_atom_text(message, "nil");
}

struct piece {
    long long number, offset, length;
};

static bool read_number(struct span *span, long long *number)
{
    struct term_head head;
    return term_read_head(span, &head) == TERM_OK && term_integer(&head, number) && *number >= 0;
}

static bool read_piece(const struct request *request, struct piece *piece)
{
    struct span span = request->arguments;
    return read_number(&span, &piece->number) && read_number(&span, &piece->offset) &&
           read_number(&span, &piece->length) && piece->length <= FETCH_MAX && span_left(&span) == 0;
}

void segment_request_fetch(struct message *message, const struct request *request)
{
    struct piece piece;
    if (!read_piece(request, &piece)) {
        request_put_error(message, request->id, PROTOCOL_BAD_REQUEST,
                          "fetch takes the number of a segment, an offset and a length of up to 64 MiB");
        return;
    }
    size_t length = (size_t)piece.length;
    message_put_tuple(message, 3);
    message_put_atom_text(message, PROTOCOL_OK);
    request_put_id(message, request->id);
    unsigned char *bytes = message_start_binary(message, length);
    if (bytes == NULL)
        return;
    if (segment_read((unsigned long long)piece.number, (size_t)piece.offset, bytes, length)) {
        message_advance(message, length);
        return;
    }
    message_begin(message);
    request_put_error(message, request->id, PROTOCOL_BAD_REQUEST,
                      "the segment is not leased, is shorter, or could not be read");
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
