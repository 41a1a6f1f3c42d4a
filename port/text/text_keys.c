/* Equal keys have equal bytes: each term is encoded in one way only, but for maps in a key, whose order is kept. */
#include "text_keys.h"

#include <stdlib.h>

bool text_keys_begin(struct text_keys *keys, size_t start, struct text_place place)
{
    if (keys->count == keys->room) {
        size_t room = keys->room > 0 ? 2 * keys->room : 16;
        struct text_key *at = room > SIZE_MAX / sizeof *at ? NULL : realloc(keys->at, room * sizeof *at);
        if (at == NULL)
            return false;
        keys->at = at;
        keys->room = room;
    }
    keys->at[keys->count++] = (struct text_key){.start = start, .place = place};
    return true;
}

void text_keys_end(struct text_keys *keys, size_t end)
{
    struct text_key *key = &keys->at[keys->count - 1];
    key->length = end - key->start;
}

/* By their bytes, and equal ones as they came. */
static int compare(const void *a, const void *b)
{
    const struct text_key *left = a, *right = b;
    int order = memcmp(left->bytes, right->bytes, left->length < right->length ? left->length : right->length);
    if (order == 0)
        order = (left->length > right->length) - (left->length < right->length);
    return order != 0 ? order : (left->start > right->start) - (left->start < right->start);
}

static bool are_same(const struct text_key *left, const struct text_key *right)
{
    return left->length == right->length && memcmp(left->bytes, right->bytes, left->length) == 0;
}

bool text_keys_close(struct text_keys *keys, size_t first, const unsigned char *message, struct text_place *again)
{
    size_t count = keys->count - first;
    keys->count = first;
    if (count < 2)
        return true;
    struct text_key *own = &keys->at[first];
    for (size_t i = 0; i < count; i++)
        own[i].bytes = message + own[i].start;
    qsort(own, count, sizeof *own, compare);
    for (size_t i = 1; i < count; i++)
        if (are_same(&own[i - 1], &own[i])) {
            *again = own[i].place;
            return false;
        }
    return true;
}
