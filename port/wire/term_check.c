/* Checks whole terms without recursion: each tuple, list, map and closure whose elements are being read is a level. */
#include <stdlib.h>

#include "wire/term.h"
#include "wire/term_hash.h"
#include "wire/term_leaf.h"
#include "wire/term_tags.h"

#define FIRST_LEVELS 16
#define TUPLE_ARITY_MAX 16777215
#define FREE_VARIABLES_MAX 255
/* The integers for which is_small/1 is true: those of 60 bits. */
#define SMALL_END (1LL << 59)

struct level {
    enum term_kind kind;
    size_t start; /* the position of its tag */
    size_t left;  /* terms that are still to be read */
    size_t end;   /* of a closure: where its size field says that it ends */
    size_t keys;  /* of a map: where its keys begin in check.keys */
    uint64_t hash, factor, key;
};

struct check {
    struct span *span;
    struct level first[FIRST_LEVELS], *levels;
    size_t depth, room;
    uint64_t *keys; /* hashes of the keys of all maps among the levels */
    size_t key_count, key_room;
    size_t hashing; /* how many keys of maps the current term is inside */
};

/* -- what grows --------------------------------------------------------------------------------------------------- */

static enum term_status push_level(struct check *check, struct level level)
{
    if (check->depth == TERM_DEPTH_MAX)
        return TERM_TOO_DEEP;
    if (check->depth == check->room) {
        struct level *old = check->levels == check->first ? NULL : check->levels;
        struct level *levels = realloc(old, 2 * check->room * sizeof *levels);
        if (levels == NULL)
            return TERM_NO_MEMORY;
        if (old == NULL)
            memcpy(levels, check->first, sizeof check->first);
        check->levels = levels;
        check->room *= 2;
    }
    check->levels[check->depth++] = level;
    return TERM_OK;
}

static enum term_status push_key(struct check *check, uint64_t key)
{
    if (check->key_count == check->key_room) {
        size_t room = check->key_room > 0 ? 2 * check->key_room : 64;
        uint64_t *keys = realloc(check->keys, room * sizeof *keys);
        if (keys == NULL)
            return TERM_NO_MEMORY;
        check->keys = keys;
        check->key_room = room;
    }
    check->keys[check->key_count++] = key;
    return TERM_OK;
}

/* -- maps --------------------------------------------------------------------------------------------------------- */

static int compare_keys(const void *left, const void *right)
{
    uint64_t a, b;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    return a < b ? -1 : a > b;
}

static bool has_same_keys(struct check *check, size_t from)
{
    size_t count = check->key_count - from;
    if (count < 2 || check->keys == NULL)
        return false;
    qsort(check->keys + from, count, sizeof *check->keys, compare_keys);
    for (size_t i = from + 1; i < check->key_count; i++)
        if (check->keys[i - 1] == check->keys[i])
            return true;
    return false;
}

/* Adds a key or value. Keys and values alternate, and the last is a value. */
static enum term_status add_to_map(struct check *check, struct level *map, uint64_t hash)
{
    if (map->left % 2 != 0) {
        map->hash += term_hash_mix(term_hash_mix(HASH_MAP, map->key), hash);
        check->hashing += map->left > 1;
        return TERM_OK;
    }
    map->key = hash;
    check->hashing--;
    return push_key(check, hash);
}

/* -- closures ----------------------------------------------------------------------------------------------------- */

static bool read_small(struct span *span, long long *value)
{
    struct term_head head;
    return term_read_head(span, &head) == TERM_OK && term_integer(&head, value) && *value >= -SMALL_END &&
           *value < SMALL_END;
}

static bool read_leaf(struct span *span, enum term_kind kind, uint64_t *hash)
{
    struct term_head head;
    return term_read_head(span, &head) == TERM_OK && head.kind == kind && term_leaf_check(&head, hash);
}

/* NEW_FUN_EXT up to its free variables: arity, 16 bytes of MD5, index, their number, module, old index, old hash, and
 * the process that made it. Two closures are the same if module, index, old hash and variables are. */
static bool read_closure(struct span *span, const struct term_head *head, struct level *level)
{
    uint32_t index, variables;
    long long old_index, old_hash;
    level->end = span->position;
    span->position -= head->length;
    if (span_take(span, 17) == NULL || !span_take_u32(span, &index) || !span_take_u32(span, &variables) ||
        variables > FREE_VARIABLES_MAX || !read_leaf(span, TERM_ATOM, &level->hash) || !read_small(span, &old_index) ||
        !read_small(span, &old_hash) || !read_leaf(span, TERM_PID, NULL))
        return false;
    level->hash = term_hash_mix(term_hash_mix(level->hash, index), (uint64_t)old_hash);
    level->left = variables;
    return true;
}

/* -- all terms ---------------------------------------------------------------------------------------------------- */

/* Opens a level for a term that has elements. */
static enum term_status open_level(struct check *check, const struct term_head *head, size_t start)
{
    struct level level = {.kind = head->kind, .start = start, .left = head->children, .keys = check->key_count};
    if (head->kind == TERM_FUN && !read_closure(check->span, head, &level))
        return TERM_MALFORMED;
    if (head->kind == TERM_TUPLE && head->children > TUPLE_ARITY_MAX)
        return TERM_MALFORMED;
    level.factor = 1;
    if (head->kind == TERM_TUPLE)
        level.hash = term_hash_mix(HASH_TUPLE, head->children);
    check->hashing += head->kind == TERM_MAP && head->children > 0;
    return push_level(check, level);
}

static enum term_status add_element(struct check *check, struct level *level, uint64_t hash)
{
    enum term_status status = TERM_OK;
    if (level->kind == TERM_MAP)
        status = add_to_map(check, level, hash);
    else if (level->kind != TERM_LIST)
        level->hash = term_hash_mix(level->hash, hash);
    else if (level->left == 1)
        level->hash += level->factor * hash; /* the tail */
    else
        term_hash_append(&level->hash, &level->factor, hash);
    level->left--;
    return status;
}

/* Closes the levels that have no elements left; each is an element of the level below it. */
static enum term_status close_levels(struct check *check)
{
    enum term_status status = TERM_OK;
    while (status == TERM_OK && check->depth > 0 && check->levels[check->depth - 1].left == 0) {
        struct level level = check->levels[--check->depth];
        if (level.kind == TERM_FUN && check->span->position != level.end)
            status = TERM_MALFORMED;
        else if (level.kind == TERM_MAP && has_same_keys(check, level.keys))
            status = TERM_SAME_KEY;
        if (status != TERM_OK) {
            check->span->position = level.start;
            return status;
        }
        check->key_count = level.keys;
        uint64_t hash = level.kind == TERM_MAP ? term_hash_mix(HASH_MAP, level.hash) : level.hash;
        if (check->depth > 0)
            status = add_element(check, &check->levels[check->depth - 1], hash);
    }
    return status;
}

static enum term_status check_next(struct check *check)
{
    struct term_head head;
    uint64_t hash = 0;
    size_t start = check->span->position;
    enum term_status status = term_read_head(check->span, &head);
    if (status != TERM_OK)
        return status;
    if (head.kind == TERM_TUPLE || head.kind == TERM_LIST || head.kind == TERM_MAP || head.tag == NEW_FUN_EXT)
        status = open_level(check, &head, start);
    else if (!term_leaf_check(&head, check->hashing > 0 ? &hash : NULL))
        status = TERM_MALFORMED;
    else if (check->depth > 0)
        status = add_element(check, &check->levels[check->depth - 1], hash);
    if (status != TERM_OK)
        check->span->position = start;
    return status == TERM_OK ? close_levels(check) : status;
}

enum term_status term_check(struct span *span)
{
    struct check check;
    check.span = span;
    check.levels = check.first;
    check.room = FIRST_LEVELS;
    check.keys = NULL;
    check.depth = check.key_count = check.key_room = check.hashing = 0;
    enum term_status status = check_next(&check);
    while (status == TERM_OK && check.depth > 0)
        status = check_next(&check);
    if (check.levels != check.first)
        free(check.levels);
    free(check.keys);
    return status;
}
