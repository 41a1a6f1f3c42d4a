/* Reads references to segments out of the frame, without a Python tuple. */
#include "shm/segment_ref.h"

#include "python/buffer.h"
#include "shm/segment.h"
#include "wire/protocol.h"
#include "wire/term.h"

#define ARITY 4

static bool read_unsigned(struct span *span, unsigned long long *value)
{
    struct term_head head;
    long long number;
    if (term_read_head(span, &head) != TERM_OK || !term_integer(&head, &number) || number < 0)
        return false;
    *value = (unsigned long long)number;
    return true;
}

static void release_segment(void *owner)
{
    segment_unpin(owner);
}

bool segment_ref_read(struct span *span, size_t arity, unsigned char **bytes, size_t *length, PyObject **buffer)
{
    struct span ahead = *span;
    struct term_head name;
    unsigned long long number, offset, count;
    if (arity != ARITY || term_read_head(&ahead, &name) != TERM_OK || !term_is_atom(&name, PROTOCOL_SEGMENT) ||
        !read_unsigned(&ahead, &number) || !read_unsigned(&ahead, &offset) || !read_unsigned(&ahead, &count))
        return false;
    *span = ahead;
    *buffer = NULL;
    struct segment *segment = segment_pin(number, (size_t)offset, (size_t)count, bytes);
    if (segment == NULL) {
        PyErr_Format(PyExc_ValueError, "segment %llu is not lent, or is shorter than %llu bytes", number,
                     offset + count);
        return true;
    }
    *length = (size_t)count;
    *buffer = buffer_new(*bytes, *length, release_segment, segment);
    if (*buffer == NULL)
        segment_unpin(segment);
    return true;
}
