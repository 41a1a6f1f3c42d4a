/* Keeps the hashes of atoms in a table with open addressing. Python's hash of a text is keyed (SipHash), has 64 bits,
 * and is kept in the text, so that a lookup mostly costs one comparison. */
#include "codec/atom_budget.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "python/errors.h"
#include "wire/protocol.h"

/* As many atoms as a BEAM has room for by default. Of a client that sends more, the later ones are counted. */
#define NOTED_MAX ((size_t)1048576)
#define SLOTS_MIN ((size_t)256)

/* The state is in the lowest bits of a slot, the rest is the atom's hash. */
enum state {
    EMPTY,
    NOTED,
    PENDING, /* counted, and only in terms that are being encoded */
    COUNTED,
};

#define STATE_BITS ((uint64_t)3)

static struct {
    uint64_t *slots;
    size_t size, used; /* size: a power of two, or 0 */
    size_t noted, counted;
    size_t limit;
    size_t terms; /* that are being encoded */
} table = {.limit = PROTOCOL_ATOM_LIMIT};

/* Atoms of structs, of the protocol and of common results: in the order of strcmp. */
static const char *const common[] = {
    "$object",
    "Elixir.Calendar.ISO",
    "Elixir.Complex",
    "Elixir.Date",
    "Elixir.DateTime",
    "Elixir.Decimal",
    "Elixir.Duration",
    "Elixir.MapSet",
    "Elixir.NaiveDateTime",
    "Elixir.Nx.Tensor",
    "Elixir.PythonxPort.Bytes",
    "Elixir.PythonxPort.Object",
    "Elixir.PythonxPort.Rich",
    "Elixir.PythonxPort.Tensor",
    "Elixir.Range",
    "Elixir.Regex",
    "Elixir.Time",
    "NaN",
    "__exception__",
    "__struct__",
    "bf",
    "c",
    "calendar",
    "coef",
    "critical",
    "data",
    "day",
    "debug",
    "error",
    "exp",
    "extra",
    "f",
    "f8_e4m3fn",
    "false",
    "file",
    "first",
    "function",
    "hour",
    "html",
    "im",
    "inf",
    "infinity",
    "info",
    "jpeg",
    "last",
    "latex",
    "line",
    "logger",
    "map",
    "markdown",
    "message",
    "microsecond",
    "minute",
    "month",
    "nan",
    "neg_infinity",
    "nil",
    "none",
    "notice",
    "ok",
    "opts",
    "png",
    "re",
    "re_pattern",
    "reason",
    "ref",
    "repr",
    "s",
    "second",
    "shape",
    "sign",
    "source",
    "std_offset",
    "step",
    "svg",
    "text",
    "thread",
    "time",
    "time_zone",
    "traceback",
    "true",
    "type",
    "u",
    "undefined",
    "utc_offset",
    "version",
    "warning",
    "week",
    "year",
    "zone_abbr",
};

void atom_budget_start(size_t limit)
{
    table.limit = limit;
}

static uint64_t key_of(PyObject *atom)
{
    /* Atom's own type could be given another function. */
    static hashfunc hash;
    if (hash == NULL)
        hash = (hashfunc)PyType_GetSlot(&PyUnicode_Type, Py_tp_hash);
    return ((uint64_t)hash(atom) & ~STATE_BITS) | PENDING;
}

static bool is_same(uint64_t slot, uint64_t key)
{
    return (slot & ~STATE_BITS) == (key & ~STATE_BITS);
}

static enum state state_of(uint64_t slot)
{
    return (enum state)(slot & STATE_BITS);
}

static size_t home_of(uint64_t key)
{
    return (size_t)(key >> 2) & (table.size - 1);
}

/* Returns the slot of the key, or the empty one in which it belongs. The table has empty ones. */
static uint64_t *find_slot(uint64_t key)
{
    size_t at = home_of(key);
    while (state_of(table.slots[at]) != EMPTY && !is_same(table.slots[at], key))
        at = (at + 1) & (table.size - 1);
    return &table.slots[at];
}

static bool enlarge(void)
{
    uint64_t *old = table.slots;
    size_t old_size = table.size, size = old_size > 0 ? 2 * old_size : SLOTS_MIN;
    uint64_t *slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        return false;
    table.slots = slots;
    table.size = size;
    for (size_t i = 0; i < old_size; i++)
        if (state_of(old[i]) != EMPTY)
            *find_slot(old[i]) = old[i];
    free(old);
    return true;
}

/* Adds a key that the table does not have. Returns false if memory is short. */
static bool add(uint64_t key, enum state state)
{
    if (2 * (table.used + 1) > table.size && !enlarge())
        return false;
    *find_slot(key) = (key & ~STATE_BITS) | (uint64_t)state;
    table.used++;
    return true;
}

/* Empties a slot, and moves those behind it that it kept from their place. */
static void empty_slot(size_t hole)
{
    size_t mask = table.size - 1;
    for (size_t at = (hole + 1) & mask; state_of(table.slots[at]) != EMPTY; at = (at + 1) & mask) {
        size_t home = home_of(table.slots[at]);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table.slots[hole] = table.slots[at];
            hole = at;
        }
    }
    table.slots[hole] = 0;
    table.used--;
}

void atom_budget_note(PyObject *atom)
{
    uint64_t key = key_of(atom), *slot = table.size > 0 ? find_slot(key) : NULL;
    if (slot != NULL && state_of(*slot) != EMPTY)
        return;
    if (table.noted < NOTED_MAX && add(key, NOTED))
        table.noted++;
}

static int compare_text(const void *text, const void *place)
{
    return strcmp(text, *(const char *const *)place);
}

static bool is_common(PyObject *atom)
{
    const char *text = PyUnicode_AsUTF8AndSize(atom, NULL);
    if (text == NULL)
        PyErr_Clear();
    return text != NULL && bsearch(text, common, sizeof common / sizeof *common, sizeof *common, compare_text) != NULL;
}

/* The array grows by powers of two: at a power of two it is full. */
static bool list_key(struct atom_list *list, uint64_t key)
{
    if ((list->count & (list->count - 1)) == 0) {
        size_t room = list->count > 0 ? 2 * list->count : 1;
        uint64_t *keys = realloc(list->keys, room * sizeof *keys);
        if (keys == NULL)
            return false;
        list->keys = keys;
    }
    list->keys[list->count++] = key;
    return true;
}

static int fail_over_limit(void)
{
    PyErr_Format(errors_EncodeError,
                 "an atom that the client does not know, in a session that has made up %zu atoms, which is its limit: "
                 "send a str, or raise the limit (atom_limit)",
                 table.counted);
    return -1;
}

static int admit_new(PyObject *atom, uint64_t key, struct atom_list *created)
{
    bool is_free = is_common(atom);
    if (!is_free && table.counted >= table.limit)
        return fail_over_limit();
    if (!add(key, is_free ? NOTED : PENDING)) {
        PyErr_NoMemory();
        return -1;
    }
    if (is_free)
        return 0;
    table.counted++;
    if (!list_key(created, key))
        *find_slot(key) |= COUNTED; /* it then stays counted, whether it is sent or not */
    return 0;
}

void atom_budget_begin(void)
{
    table.terms++;
}

int atom_budget_admit(PyObject *atom, struct atom_list *created)
{
    uint64_t key = key_of(atom), *slot = table.size > 0 ? find_slot(key) : NULL;
    if (slot == NULL || state_of(*slot) == EMPTY)
        return admit_new(atom, key, created);
    /* It may be an atom of another term that is being encoded: that term's end must not remove it. */
    if (table.terms > 1 && state_of(*slot) == PENDING)
        *slot |= COUNTED;
    return 0;
}

void atom_budget_end(struct atom_list *created, int failed)
{
    table.terms--;
    for (size_t i = 0; failed && i < created->count; i++) {
        uint64_t *slot = find_slot(created->keys[i]);
        if (state_of(*slot) != PENDING)
            continue;
        empty_slot((size_t)(slot - table.slots));
        table.counted--;
    }
    free(created->keys);
    *created = (struct atom_list){0};
}
