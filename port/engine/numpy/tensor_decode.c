/* Reads the fields of a tensor's struct in any order: type, shape and data; those of Nx that say more of the shape; all
 * others are skipped. */
#include "numpy/tensor_decode.h"

#include <stdlib.h>
#include <string.h>

#include "numpy/tensor.h"
#include "python/buffer.h"
#include "python/frame_buffer.h"
#include "shm/segment_ref.h"
#include "wire/term.h"

/* Larger data is used where it lies in the frame; smaller data is copied, so that a small array does not keep a large
 * frame alive. */
#define VIEW_SIZE ((size_t)64 * 1024)
#define ALIGNMENT 16

static int fail(const char *what)
{
    PyErr_SetString(PyExc_ValueError, what);
    return -1;
}

static int fail_term(enum term_status status)
{
    return fail(term_status_text(status));
}

static int read_integer(const struct term_head *head, long long *value)
{
    return term_integer(head, value) ? 0 : -1;
}

/* Reads a type such as {:f, 32}. */
static int read_type(struct span *span, struct tensor_fields *fields)
{
    struct term_head tuple, kind, bits;
    long long number;
    enum term_status status = term_read_head(span, &tuple);
    if (status != TERM_OK)
        return fail_term(status);
    if (tuple.kind != TERM_TUPLE || tuple.children != 2 || term_read_head(span, &kind) != TERM_OK ||
        term_read_head(span, &bits) != TERM_OK)
        return fail("type is a tuple such as {:f, 32}");
    if (kind.kind != TERM_ATOM || kind.length >= sizeof fields->kind || memchr(kind.data, '\0', kind.length) != NULL ||
        read_integer(&bits, &number) < 0 || number < 1 || number > 1024)
        return fail("type is a tuple such as {:f, 32}");
    memcpy(fields->kind, kind.data, kind.length);
    fields->kind[kind.length] = '\0';
    fields->bits = (long)number;
    return 0;
}

static int read_shape(struct span *span, struct tensor_fields *fields)
{
    struct term_head tuple;
    enum term_status status = term_read_head(span, &tuple);
    if (status != TERM_OK)
        return fail_term(status);
    if (tuple.kind != TERM_TUPLE)
        return fail("shape is a tuple of sizes");
    if (tuple.children > TENSOR_RANK_MAX)
        return fail("shape has more dimensions than NumPy");
    for (size_t i = 0; i < tuple.children; i++) {
        struct term_head head;
        long long size;
        status = term_read_head(span, &head);
        if (status != TERM_OK)
            return fail_term(status);
        if (read_integer(&head, &size) < 0 || size < 0 || size > PY_SSIZE_T_MAX)
            return fail("shape is a tuple of sizes");
        fields->shape[i] = (Py_ssize_t)size;
    }
    fields->rank = (int)tuple.children;
    return 0;
}

/* -- axes of Nx --------------------------------------------------------------------------------------------------- */

/* Axes that Nx has in front of those in the shape. */
struct leading_axes {
    int rank;
    Py_ssize_t sizes[TENSOR_RANK_MAX];
};

/* Reads the head of a list, which may be empty; *count is how many terms follow before its tail. */
static int read_list(struct span *span, const char *complaint, size_t *count)
{
    struct term_head list;
    enum term_status status = term_read_head(span, &list);
    if (status != TERM_OK)
        return fail_term(status);
    if (list.kind != TERM_LIST && list.kind != TERM_NIL)
        return fail(complaint);
    *count = list.kind == TERM_LIST ? list.children - 1 : 0;
    return 0;
}

/* Reads what follows the items of a list that read_list has begun. */
static int read_list_end(struct span *span, const char *complaint, size_t count)
{
    struct term_head tail;
    if (count == 0)
        return 0;
    enum term_status status = term_read_head(span, &tail);
    if (status != TERM_OK)
        return fail_term(status);
    return tail.kind == TERM_NIL ? 0 : fail(complaint);
}

/* An array has no place for names: they must not be lost silently. */
static int refuse_names(struct span *span)
{
    static const char *const complaint = "names is a list of atoms";
    size_t count;
    if (read_list(span, complaint, &count) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct term_head name;
        enum term_status status = term_read_head(span, &name);
        if (status != TERM_OK)
            return fail_term(status);
        if (!term_is_atom(&name, "nil"))
            return fail("the tensor has names, which an array cannot keep: drop them with Nx.rename(tensor, nil)");
    }
    return read_list_end(span, complaint, count);
}

/* Reads axes such as [batch: 2]: NumPy has no names for them, and their sizes come first in the shape. */
static int read_vectorized_axes(struct span *span, struct leading_axes *leading)
{
    static const char *const complaint = "vectorized_axes is a list of names and sizes";
    size_t count;
    if (read_list(span, complaint, &count) < 0)
        return -1;
    if (count > TENSOR_RANK_MAX)
        return fail("shape has more dimensions than NumPy");
    for (size_t i = 0; i < count; i++) {
        struct term_head pair, head;
        long long size;
        enum term_status status = term_read_head(span, &pair);
        if (status == TERM_OK && (pair.kind != TERM_TUPLE || pair.children != 2))
            return fail(complaint);
        if (status == TERM_OK)
            status = term_skip(span);
        if (status == TERM_OK)
            status = term_read_head(span, &head);
        if (status != TERM_OK)
            return fail_term(status);
        if (read_integer(&head, &size) < 0 || size < 0 || size > PY_SSIZE_T_MAX)
            return fail(complaint);
        leading->sizes[i] = (Py_ssize_t)size;
    }
    leading->rank = (int)count;
    return read_list_end(span, complaint, count);
}

static int prepend_axes(struct tensor_fields *fields, const struct leading_axes *leading)
{
    if (leading->rank == 0 || fields->rank < 0)
        return 0;
    if (fields->rank + leading->rank > TENSOR_RANK_MAX)
        return fail("shape has more dimensions than NumPy");
    memmove(fields->shape + leading->rank, fields->shape, (size_t)fields->rank * sizeof *fields->shape);
    memcpy(fields->shape, leading->sizes, (size_t)leading->rank * sizeof *fields->shape);
    fields->rank += leading->rank;
    return 0;
}

/* -- data --------------------------------------------------------------------------------------------------------- */

static int copy_out(struct tensor_fields *fields, const unsigned char *data, size_t length)
{
    fields->bytes = malloc(length > 0 ? length : 1);
    if (fields->bytes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(fields->bytes, data, length);
    fields->length = length;
    fields->buffer = buffer_new(fields->bytes, length, free, fields->bytes);
    if (fields->buffer == NULL)
        free(fields->bytes);
    return fields->buffer == NULL ? -1 : 0;
}

/* Uses the data where it lies in the frame. Usually that address is aligned for numbers (frame.h); if not, the data is
 * moved down by a few bytes, over the heads of the struct and the binary, which have been read by then. */
static int use_frame(struct tensor_source *source, struct tensor_fields *fields, const struct term_head *head)
{
    PyObject *whole = frame_buffer_of(source->request);
    if (whole == NULL)
        return -1;
    size_t shift = (uintptr_t)head->data % ALIGNMENT;
    /* The frame is the request's own and writable, even if it was read through a span of const bytes. */
    fields->bytes = (unsigned char *)(uintptr_t)head->data - shift;
    if (shift > 0) {
        memmove(fields->bytes, head->data, head->length);
        source->moved = true;
    }
    fields->length = head->length;
    fields->buffer = buffer_slice(whole, fields->bytes, fields->length);
    return fields->buffer == NULL ? -1 : 0;
}

static int use_binary(struct tensor_source *source, struct tensor_fields *fields, const struct term_head *head)
{
    if (head->length >= VIEW_SIZE && source->request != NULL)
        return use_frame(source, fields, head);
    return copy_out(fields, head->data, head->length);
}

/* Reads the data: a binary, or a segment that holds its bytes. */
static int read_bytes(struct tensor_source *source, struct tensor_fields *fields, const struct term_head *head)
{
    Py_CLEAR(fields->buffer);
    if (head->kind == TERM_BINARY)
        return use_binary(source, fields, head);
    if (head->kind == TERM_TUPLE &&
        segment_ref_read(&source->span, head->children, &fields->bytes, &fields->length, &fields->buffer))
        return fields->buffer == NULL ? -1 : 0;
    return fail("data is a binary");
}

/* Reads the next key of a struct. Keys are atoms: any other term may be followed by its own elements. */
static int read_key(struct tensor_source *source, struct term_head *key)
{
    enum term_status status = term_read_head(&source->span, key);
    if (status == TERM_OK && key->kind != TERM_ATOM)
        status = TERM_MALFORMED;
    return status == TERM_OK ? 0 : fail_term(status);
}

static int pass_over(struct tensor_source *source)
{
    enum term_status status = term_skip(&source->span);
    return status == TERM_OK ? 0 : fail_term(status);
}

/* Reads %Nx.BinaryBackend{state: binary}; other backends keep their data elsewhere. */
static int read_backend(struct tensor_source *source, struct tensor_fields *fields, size_t pairs)
{
    Py_CLEAR(fields->buffer);
    for (size_t i = 0; i < pairs; i++) {
        struct term_head key, state;
        if (read_key(source, &key) < 0)
            return -1;
        if (!term_is_atom(&key, "state")) {
            if (pass_over(source) < 0)
                return -1;
            continue;
        }
        enum term_status status = term_read_head(&source->span, &state);
        if (status != TERM_OK)
            return fail_term(status);
        if (read_bytes(source, fields, &state) < 0)
            return -1;
    }
    if (fields->buffer == NULL)
        return fail("the tensor's data is not in this form: use Nx.backend_transfer(tensor, Nx.BinaryBackend)");
    return 0;
}

static int read_data(struct tensor_source *source, struct tensor_fields *fields)
{
    struct term_head head;
    enum term_status status = term_read_head(&source->span, &head);
    if (status != TERM_OK)
        return fail_term(status);
    return head.kind == TERM_MAP ? read_backend(source, fields, head.children / 2) : read_bytes(source, fields, &head);
}

/* -- the struct --------------------------------------------------------------------------------------------------- */

static int read_field(struct tensor_source *source, struct tensor_fields *fields, struct leading_axes *leading)
{
    struct term_head key;
    if (read_key(source, &key) < 0)
        return -1;
    if (term_is_atom(&key, "type"))
        return read_type(&source->span, fields);
    if (term_is_atom(&key, "shape"))
        return read_shape(&source->span, fields);
    if (term_is_atom(&key, "data"))
        return read_data(source, fields);
    if (term_is_atom(&key, "names"))
        return refuse_names(&source->span);
    if (term_is_atom(&key, "vectorized_axes"))
        return read_vectorized_axes(&source->span, leading);
    return pass_over(source);
}

PyObject *tensor_decode(struct tensor_source *source, size_t pairs)
{
    struct tensor_fields fields = {.rank = -1};
    struct leading_axes leading = {.rank = 0};
    PyObject *array = NULL;
    for (size_t i = 0; i < pairs; i++)
        if (read_field(source, &fields, &leading) < 0)
            goto done;
    if (prepend_axes(&fields, &leading) == 0)
        array = tensor_build(&fields);
done:
    Py_XDECREF(fields.buffer);
    return array;
}
