#include "formats/pickle.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "formats/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORAGE(name, dtype) {"torch", name, HST_PICKLE_ROLE_STORAGE, dtype}
#define DTYPE(name, dtype) {"torch", name, HST_PICKLE_ROLE_DTYPE, dtype}

#define UNSUPPORTED(name) {"torch._utils", name, HST_PICKLE_ROLE_UNSUPPORTED, 0}
#define STRANGE(name) {"torch", name, HST_PICKLE_ROLE_UNSUPPORTED, 0}
/* Python 2 and 3 call the module differently; torch.save writes the older name. */
#define HARMLESS(name) {"builtins", name, HST_PICKLE_ROLE_HARMLESS, 0}, {"__builtin__", name, HST_PICKLE_ROLE_HARMLESS, 0}

/* All that weights need. Whatever is not here makes a file unsafe. */
static const struct hst_pickle_name names[] = {
    {"collections", "OrderedDict", HST_PICKLE_ROLE_DICT, 0},
    {"torch._utils", "_rebuild_tensor", HST_PICKLE_ROLE_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v2", HST_PICKLE_ROLE_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v3", HST_PICKLE_ROLE_TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", HST_PICKLE_ROLE_FIRST, 0},
    {"torch._utils", "_rebuild_parameter_with_state", HST_PICKLE_ROLE_FIRST, 0},
    {"torch.nn.parameter", "Parameter", HST_PICKLE_ROLE_FIRST, 0},
    {"torch", "Size", HST_PICKLE_ROLE_FIRST, 0},
    {"torch", "device", HST_PICKLE_ROLE_HARMLESS, 0},
    {"_codecs", "encode", HST_PICKLE_ROLE_HARMLESS, 0},
    HARMLESS("set"), HARMLESS("bytearray"), HARMLESS("complex"),
    UNSUPPORTED("_rebuild_sparse_tensor"), UNSUPPORTED("_rebuild_qtensor"), UNSUPPORTED("_rebuild_meta_tensor_no_storage"), UNSUPPORTED("_rebuild_nested_tensor"),
    STRANGE("QInt8Storage"), STRANGE("QUInt8Storage"), STRANGE("QInt32Storage"), STRANGE("ComplexDoubleStorage"), STRANGE("qint8"), STRANGE("quint8"),
    STRANGE("qint32"), STRANGE("complex32"), STRANGE("complex128"),
    {"torch.storage", "UntypedStorage", HST_PICKLE_ROLE_STORAGE, 0},
    STORAGE("UntypedStorage", 0), STORAGE("ByteStorage", HST_DTYPE_U8), STORAGE("CharStorage", HST_DTYPE_I8), STORAGE("BoolStorage", HST_DTYPE_BOOL),
    STORAGE("ShortStorage", HST_DTYPE_I16), STORAGE("IntStorage", HST_DTYPE_I32), STORAGE("LongStorage", HST_DTYPE_I64), STORAGE("HalfStorage", HST_DTYPE_F16),
    STORAGE("BFloat16Storage", HST_DTYPE_BF16), STORAGE("FloatStorage", HST_DTYPE_F32), STORAGE("DoubleStorage", HST_DTYPE_F64),
    STORAGE("ComplexFloatStorage", HST_DTYPE_C64),
    DTYPE("uint8", HST_DTYPE_U8), DTYPE("int8", HST_DTYPE_I8), DTYPE("bool", HST_DTYPE_BOOL), DTYPE("int16", HST_DTYPE_I16), DTYPE("int32", HST_DTYPE_I32),
    DTYPE("int64", HST_DTYPE_I64), DTYPE("uint16", HST_DTYPE_U16), DTYPE("uint32", HST_DTYPE_U32), DTYPE("uint64", HST_DTYPE_U64),
    DTYPE("float16", HST_DTYPE_F16), DTYPE("bfloat16", HST_DTYPE_BF16), DTYPE("float32", HST_DTYPE_F32), DTYPE("float64", HST_DTYPE_F64),
    DTYPE("complex64", HST_DTYPE_C64), DTYPE("float8_e4m3fn", HST_DTYPE_F8_E4M3), DTYPE("float8_e5m2", HST_DTYPE_F8_E5M2),
    DTYPE("float8_e4m3fnuz", HST_DTYPE_F8_E4M3FNUZ), DTYPE("float8_e5m2fnuz", HST_DTYPE_F8_E5M2FNUZ), DTYPE("float8_e8m0fnu", HST_DTYPE_F8_E8M0),
};

enum { SMALL_NUMBERS = 256, NONE = SMALL_NUMBERS, MARK, EMPTY_TUPLE, FOREIGN, CONSTANTS, STORAGE_ITEMS = 5, TENSOR_ITEMS = 4 };

_Static_assert(HST_PICKLE_HEAP_FACTOR * HST_PICKLE_MAX + HST_PICKLE_HEAP_FREE < UINT32_MAX, "no list has more items than its count can tell");

/* Values by number, in memory that grows. */
struct shelf {
    struct hst_pickle_value **items;
    size_t count, room;
};

/* What the pickle asks for that it must not have. */
struct offences {
    char list[HST_ERROR_TEXT_MAX - 128]; /* as far as they fit */
    size_t more;                         /* those that did not */
    uint64_t offset;                     /* of the first */
};

/* The machine: a stack, and a memo of what was made. */
struct machine {
    struct hst_cursor *cursor;
    struct hst_arena *arena;
    struct shelf stack, memo;
    struct hst_pickle_value storages;             /* items are those made so far */
    struct hst_pickle_value *constants[CONSTANTS]; /* made once: numbers below 256, None, ... */
    uint64_t opcode_at;                           /* of the opcode being run, in the cursor */
    uint64_t frame_end;                           /* of the frame it stands in */
    uint64_t heap_bytes, heap_most;
    size_t opcodes;
    struct offences offences;
    bool stopped;
};

static int fail(struct machine *machine, int status, const char *what)
{
    return hst_cursor_fail(machine->cursor, status, what);
}

static int nomem(struct machine *machine)
{
    return fail(machine, HST_E_NOMEM, "out of memory");
}

/* Memory that a pickle of its length may take: see HST_PICKLE_HEAP_FACTOR. */
static int charge(struct machine *machine, uint64_t bytes)
{
    machine->heap_bytes += bytes;
    return machine->heap_bytes <= machine->heap_most ? HST_OK : fail(machine, HST_E_LIMIT_EXCEEDED, "limit: heap: the pickle makes too many values for its length");
}

/* NULL with the error recorded. */
static void *take(struct machine *machine, size_t size)
{
    if (charge(machine, size) < 0) return NULL;
    void *piece = hst_arena_alloc(machine->arena, size);
    if (piece == NULL) nomem(machine);
    return piece;
}

static struct hst_pickle_value *make(struct machine *machine, enum hst_pickle_kind kind)
{
    struct hst_pickle_value *value = take(machine, sizeof *value);
    if (value != NULL) value->kind = kind;
    return value;
}

/* One that is never changed, and so needs to be there only once. */
static struct hst_pickle_value *constant(struct machine *machine, size_t which, enum hst_pickle_kind kind)
{
    if (machine->constants[which] == NULL) machine->constants[which] = make(machine, kind);
    return machine->constants[which];
}

/* Room doubles in the arena from four on; what was there before stays unused. */
static int append(struct machine *machine, struct hst_pickle_value *list, struct hst_pickle_value *item)
{
    bool full = list->count == 0 || (list->count >= 4 && (list->count & (list->count - 1)) == 0);
    if (full) {
        struct hst_pickle_value **items = take(machine, (list->count == 0 ? 4 : 2 * list->count) * sizeof *items);
        if (items == NULL) return machine->cursor->error.status;
        if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
    }
    list->items[list->count++] = item;
    return HST_OK;
}

static int put_on(struct machine *machine, struct shelf *shelf, struct hst_pickle_value *value)
{
    if (shelf->count == shelf->room) {
        size_t room = shelf->room * 2 + 64;
        HST_TRY(charge(machine, (room - shelf->room) * sizeof *shelf->items));
        struct hst_pickle_value **grown = realloc(shelf->items, room * sizeof *grown);
        if (grown == NULL) return nomem(machine);
        shelf->items = grown;
        shelf->room = room;
    }
    shelf->items[shelf->count++] = value;
    return HST_OK;
}

static int push(struct machine *machine, struct hst_pickle_value *value)
{
    if (value == NULL) return machine->cursor->error.status;
    if (machine->stack.count == HST_PICKLE_STACK_MAX) return fail(machine, HST_E_LIMIT_EXCEEDED, "limit: stack: too many values at once");
    return put_on(machine, &machine->stack, value);
}

static struct hst_pickle_value *pop(struct machine *machine)
{
    if (machine->stack.count > 0 && machine->stack.items[machine->stack.count - 1]->kind != HST_PICKLE_MARK) return machine->stack.items[--machine->stack.count];
    fail(machine, HST_E_INVALID_FILE, "stack: it is empty");
    return NULL;
}

static struct hst_pickle_value *top(struct machine *machine)
{
    struct hst_pickle_value *value = pop(machine);
    machine->stack.count += value != NULL;
    return value;
}

/* Note what it asks for, each thing once. */
static void offend(struct machine *machine, const char *what)
{
    struct offences *offences = &machine->offences;
    char line[192];
    size_t used = strlen(offences->list);
    snprintf(line, sizeof line, "%s%s (byte %llu)", used > 0 ? ", " : "", what, (unsigned long long)(machine->cursor->base + machine->opcode_at));
    if (used == 0) offences->offset = machine->cursor->base + machine->opcode_at;
    if (strstr(offences->list, what) != NULL) return;
    if (used + strlen(line) < sizeof offences->list)
        memcpy(offences->list + used, line, strlen(line) + 1);
    else
        offences->more++;
}

/* Index of the first item above the last mark; the mark is below it. @return 0 when there is none */
static size_t find_mark(struct machine *machine)
{
    for (size_t i = machine->stack.count; i > 0; i--)
        if (machine->stack.items[i - 1]->kind == HST_PICKLE_MARK) return i;
    fail(machine, HST_E_INVALID_FILE, "stack: there is no mark");
    return 0;
}

/* ---- opcodes; `op` is the opcode itself ---- */

static int op_proto(struct machine *machine, uint8_t op)
{
    (void)op;
    uint8_t version = hst_cursor_u8(machine->cursor);
    return version <= 5 ? machine->cursor->error.status : fail(machine, HST_E_INVALID_FILE, "version: a pickle of an unknown protocol");
}

/* Frames lie one after the other, and no opcode reaches over the end of its own. */
static int op_frame(struct machine *machine, uint8_t op)
{
    (void)op;
    uint64_t length = hst_cursor_u64(machine->cursor);
    if (machine->opcode_at < machine->frame_end) return fail(machine, HST_E_INVALID_FILE, "frame: a frame within a frame");
    if (length > hst_cursor_left(machine->cursor)) return fail(machine, HST_E_TRUNCATED, "truncated: a frame ends beyond the pickle");
    machine->frame_end = machine->cursor->at + length;
    return machine->cursor->error.status;
}

static int op_stop(struct machine *machine, uint8_t op)
{
    (void)op;
    machine->stopped = true;
    return HST_OK;
}

static int op_empty(struct machine *machine, uint8_t op)
{
    if (op == '(') return push(machine, constant(machine, MARK, HST_PICKLE_MARK));
    if (op == ')') return push(machine, constant(machine, EMPTY_TUPLE, HST_PICKLE_TUPLE));
    return push(machine, make(machine, op == '}' ? HST_PICKLE_DICT : HST_PICKLE_LIST));
}

static int op_other(struct machine *machine, uint8_t op)
{
    if (op == 'G') hst_cursor_take(machine->cursor, 8);
    return push(machine, constant(machine, NONE, HST_PICKLE_OTHER));
}

static int push_number(struct machine *machine, int64_t number)
{
    bool small = number >= 0 && number < SMALL_NUMBERS;
    struct hst_pickle_value *value = small ? constant(machine, (size_t)number, HST_PICKLE_NUMBER) : make(machine, HST_PICKLE_NUMBER);
    if (value != NULL) value->number = number;
    return push(machine, value);
}

static int op_number(struct machine *machine, uint8_t op)
{
    struct hst_cursor *cursor = machine->cursor;
    if (op == 'K') return push_number(machine, hst_cursor_u8(cursor));
    if (op == 'M') return push_number(machine, hst_cursor_u16(cursor));
    if (op == 'J') return push_number(machine, (int32_t)hst_cursor_u32(cursor));
    return push_number(machine, op == 0x88);
}

/* LONG1: little-endian, two's complement. One of more than eight bytes is no size of anything. */
static int op_long(struct machine *machine, uint8_t op)
{
    uint8_t length = hst_cursor_u8(machine->cursor);
    const uint8_t *bytes = hst_cursor_take(machine->cursor, length);
    uint64_t number = 0;
    (void)op;
    if (bytes == NULL) return machine->cursor->error.status;
    if (length > 8) return push(machine, constant(machine, NONE, HST_PICKLE_OTHER));
    for (size_t i = 0; i < length; i++)
        number |= (uint64_t)bytes[i] << (8 * i);
    if (length > 0 && length < 8 && bytes[length - 1] & 0x80) number |= UINT64_MAX << (8 * length);
    return push_number(machine, (int64_t)number);
}

static uint64_t text_length(struct hst_cursor *cursor, uint8_t op)
{
    if (op == 0x8c || op == 'U' || op == 'C') return hst_cursor_u8(cursor); /* SHORT_BINUNICODE, SHORT_BINSTRING, SHORT_BINBYTES */
    return op == 'X' || op == 'T' || op == 'B' ? hst_cursor_u32(cursor) : hst_cursor_u64(cursor);
}

static int op_text(struct machine *machine, uint8_t op)
{
    uint64_t length = text_length(machine->cursor, op);
    const uint8_t *bytes = hst_cursor_take(machine->cursor, length);
    if (bytes == NULL) return machine->cursor->error.status;
    struct hst_pickle_value *value = make(machine, memchr(bytes, '\0', length) == NULL ? HST_PICKLE_TEXT : HST_PICKLE_BLOB);
    char *copy = value != NULL && value->kind == HST_PICKLE_TEXT ? take(machine, length + 1) : NULL;
    if (copy != NULL) value->text = memcpy(copy, bytes, length);
    return hst_cursor_ok(machine->cursor) ? push(machine, value) : machine->cursor->error.status;
}

static int memoize(struct machine *machine, uint64_t index)
{
    struct hst_pickle_value *value = top(machine);
    if (value == NULL) return machine->cursor->error.status;
    if (index > machine->memo.count) return fail(machine, HST_E_INVALID_FILE, "memo: it has a gap");
    if (index < machine->memo.count) {
        machine->memo.items[index] = value;
        return HST_OK;
    }
    return put_on(machine, &machine->memo, value);
}

static int op_put(struct machine *machine, uint8_t op)
{
    if (op == 0x94) return memoize(machine, machine->memo.count);
    return memoize(machine, op == 'q' ? hst_cursor_u8(machine->cursor) : hst_cursor_u32(machine->cursor));
}

static int op_get(struct machine *machine, uint8_t op)
{
    uint64_t index = op == 'h' ? hst_cursor_u8(machine->cursor) : hst_cursor_u32(machine->cursor);
    if (index >= machine->memo.count) return fail(machine, HST_E_INVALID_FILE, "memo: nothing was put there");
    return push(machine, machine->memo.items[index]);
}

/* Take the items from `first` on off the stack, and a mark below them if there is one, and put one value with them there. */
static int gather(struct machine *machine, enum hst_pickle_kind kind, size_t first, size_t keep)
{
    struct hst_pickle_value *value = make(machine, kind);
    for (size_t i = first; value != NULL && i < machine->stack.count; i++)
        HST_TRY(append(machine, value, machine->stack.items[i]));
    machine->stack.count = keep;
    return push(machine, value);
}

/* A tuple never grows: its room is what it holds. */
static int gather_tuple(struct machine *machine, size_t first, size_t keep)
{
    size_t count = machine->stack.count - first;
    if (count == 0) {
        machine->stack.count = keep;
        return push(machine, constant(machine, EMPTY_TUPLE, HST_PICKLE_TUPLE));
    }
    struct hst_pickle_value *value = make(machine, HST_PICKLE_TUPLE);
    struct hst_pickle_value **items = value != NULL ? take(machine, count * sizeof *items) : NULL;
    if (items == NULL) return machine->cursor->error.status;
    value->items = memcpy(items, machine->stack.items + first, count * sizeof *items);
    value->count = (uint32_t)count;
    machine->stack.count = keep;
    return push(machine, value);
}

/* Of what lies above the last mark. */
static int op_gather(struct machine *machine, uint8_t op)
{
    size_t first = find_mark(machine);
    if (first == 0) return machine->cursor->error.status;
    if (op == 't') return gather_tuple(machine, first, first - 1);
    return gather(machine, op == 'l' ? HST_PICKLE_LIST : HST_PICKLE_DICT, first, first - 1);
}

static int op_tuple(struct machine *machine, uint8_t op)
{
    size_t count = op - 0x84u; /* TUPLE1 to TUPLE3 */
    for (size_t i = 1; i <= count; i++)
        if (machine->stack.count < i || machine->stack.items[machine->stack.count - i]->kind == HST_PICKLE_MARK) return fail(machine, HST_E_INVALID_FILE, "stack: it is empty");
    return gather_tuple(machine, machine->stack.count - count, machine->stack.count - count);
}

/* Put what lies above `first` into what lies at `target`. */
static int add_items(struct machine *machine, size_t target, size_t first, enum hst_pickle_kind wanted)
{
    struct hst_pickle_value *into = machine->stack.items[target];
    if (wanted == HST_PICKLE_DICT && (machine->stack.count - first) % 2 != 0) return fail(machine, HST_E_INVALID_FILE, "stack: a key without a value");
    if (into->kind != wanted && into->kind != HST_PICKLE_FOREIGN) return fail(machine, HST_E_INVALID_FILE, "type: items are put into what holds none of their kind");
    for (size_t i = first; i < machine->stack.count && into->kind == wanted; i++)
        HST_TRY(append(machine, into, machine->stack.items[i]));
    machine->stack.count = target + 1;
    return HST_OK;
}

static int op_add(struct machine *machine, uint8_t op)
{
    size_t count = op == 's' ? 2 : 1;
    enum hst_pickle_kind wanted = op == 's' || op == 'u' ? HST_PICKLE_DICT : HST_PICKLE_LIST;
    if (op == 's' || op == 'a') {
        if (machine->stack.count <= count) return fail(machine, HST_E_INVALID_FILE, "stack: it is empty");
        return add_items(machine, machine->stack.count - count - 1, machine->stack.count - count, wanted);
    }
    size_t first = find_mark(machine);
    return first > 1 ? add_items(machine, first - 2, first, wanted) : fail(machine, HST_E_INVALID_FILE, "stack: items of nothing");
}

static const struct hst_pickle_name *find_name(const char *module, const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].module, module) == 0 && strcmp(names[i].name, name) == 0) return &names[i];
    return NULL;
}

static int push_global(struct machine *machine, const char *module, const char *name)
{
    char what[160];
    const struct hst_pickle_name *known = find_name(module, name);
    snprintf(what, sizeof what, "%.64s.%.64s", module, name);
    if (known == NULL) {
        offend(machine, what);
        return push(machine, constant(machine, FOREIGN, HST_PICKLE_FOREIGN));
    }
    if (known->role == HST_PICKLE_ROLE_UNSUPPORTED) {
        snprintf(what, sizeof what, "unsupported: weights made by %s.%s", module, name);
        return fail(machine, HST_E_INVALID_FILE, what);
    }
    struct hst_pickle_value *value = make(machine, HST_PICKLE_GLOBAL);
    if (value != NULL) value->name = known;
    return push(machine, value);
}

/* A line of text, without its end, in the arena. */
static const char *take_line(struct machine *machine)
{
    struct hst_cursor *cursor = machine->cursor;
    const uint8_t *begin = cursor->bytes + cursor->at, *end = memchr(begin, '\n', hst_cursor_left(cursor));
    if (end == NULL) {
        fail(machine, HST_E_TRUNCATED, "truncated: a name does not end");
        return NULL;
    }
    size_t length = (size_t)(end - begin);
    char *copy = take(machine, length + 1);
    cursor->at += length + 1;
    return copy != NULL ? memcpy(copy, begin, length) : NULL; /* cut at a NUL, and then it is no name of the list: */
}

/* Two lines: a module and a name. What comes after a NUL in them is kept from looking like less than it is. */
static int take_name(struct machine *machine, const char **ret_module, const char **ret_name)
{
    uint64_t begin = machine->cursor->at;
    *ret_module = take_line(machine);
    *ret_name = *ret_module != NULL ? take_line(machine) : NULL;
    if (*ret_name == NULL) return machine->cursor->error.status;
    if (memchr(machine->cursor->bytes + begin, '\0', machine->cursor->at - begin) != NULL) *ret_name = "(a name with a NUL)";
    return HST_OK;
}

static int op_global(struct machine *machine, uint8_t op)
{
    const char *module, *name;
    (void)op;
    HST_TRY(take_name(machine, &module, &name));
    return push_global(machine, module, name);
}

static int op_stack_global(struct machine *machine, uint8_t op)
{
    const struct hst_pickle_value *name = pop(machine), *module = name != NULL ? pop(machine) : NULL;
    (void)op;
    if (module == NULL) return machine->cursor->error.status;
    if (module->kind == HST_PICKLE_TEXT && name->kind == HST_PICKLE_TEXT) return push_global(machine, module->text, name->text);
    offend(machine, "what is no name");
    return push(machine, constant(machine, FOREIGN, HST_PICKLE_FOREIGN));
}

static struct hst_pickle_value *call(struct machine *machine, const struct hst_pickle_value *function, struct hst_pickle_value *arguments)
{
    switch (function->name->role) {
    case HST_PICKLE_ROLE_DICT: return make(machine, HST_PICKLE_DICT);
    case HST_PICKLE_ROLE_FIRST: return arguments->count > 0 ? arguments->items[0] : constant(machine, NONE, HST_PICKLE_OTHER);
    case HST_PICKLE_ROLE_TENSOR:
        if (arguments->count < TENSOR_ITEMS) break;
        arguments->kind = HST_PICKLE_TENSOR;
        return arguments;
    default: return constant(machine, NONE, HST_PICKLE_OTHER);
    }
    fail(machine, HST_E_INVALID_FILE, "tensor: it is described in an unknown way");
    return NULL;
}

/* REDUCE, NEWOBJ: nothing is called; the role of the name says what it would make. */
static int op_call(struct machine *machine, uint8_t op)
{
    struct hst_pickle_value *arguments = pop(machine), *function = arguments != NULL ? pop(machine) : NULL;
    (void)op;
    if (function == NULL) return machine->cursor->error.status;
    if (function->kind == HST_PICKLE_GLOBAL && arguments->kind == HST_PICKLE_TUPLE) return push(machine, call(machine, function, arguments));
    if (function->kind != HST_PICKLE_FOREIGN) offend(machine, "a call of what is no name");
    return push(machine, constant(machine, FOREIGN, HST_PICKLE_FOREIGN));
}

static bool is_private(const struct hst_pickle_value *key)
{
    return key->kind == HST_PICKLE_TEXT && strncmp(key->text, "__", 2) == 0;
}

/* Would Python take an attribute that changes what the object does? */
static bool has_private_key(const struct hst_pickle_value *state)
{
    for (size_t i = 0; i < state->count; i += 2)
        if (is_private(state->items[i])) return true;
    return false;
}

/* BUILD gives an object a state. Weights have it only for the names that a state_dict keeps of its modules. */
static int op_build(struct machine *machine, uint8_t op)
{
    const struct hst_pickle_value *state = pop(machine), *object = state != NULL ? top(machine) : NULL;
    (void)op;
    if (object == NULL) return machine->cursor->error.status;
    if (object->kind == HST_PICKLE_TENSOR) return fail(machine, HST_E_INVALID_FILE, "unsupported: a tensor with a state of its own");
    bool plain = object->kind == HST_PICKLE_DICT && state->kind == HST_PICKLE_DICT && !has_private_key(state);
    if (!plain && object->kind != HST_PICKLE_FOREIGN) offend(machine, "a state for what has none");
    return HST_OK;
}

static int op_pop(struct machine *machine, uint8_t op)
{
    (void)op;
    return pop(machine) != NULL ? HST_OK : machine->cursor->error.status;
}

static bool is_storage_type(const struct hst_pickle_value *value)
{
    return value->kind == HST_PICKLE_FOREIGN || (value->kind == HST_PICKLE_GLOBAL && value->name->role == HST_PICKLE_ROLE_STORAGE);
}

/* ("storage", type, key, location, elements), and in the older stream a sixth for a view of another one. */
static bool is_storage(const struct hst_pickle_value *id)
{
    if (id->kind != HST_PICKLE_TUPLE || id->count < STORAGE_ITEMS || id->count > STORAGE_ITEMS + 1) return false;
    const struct hst_pickle_value *what = id->items[0], *elements = id->items[4];
    bool named = what->kind == HST_PICKLE_TEXT && strcmp(what->text, "storage") == 0 && id->items[2]->kind == HST_PICKLE_TEXT;
    return named && is_storage_type(id->items[1]) && elements->kind == HST_PICKLE_NUMBER && elements->number >= 0;
}

static int op_persistent(struct machine *machine, uint8_t op)
{
    struct hst_pickle_value *id = top(machine);
    (void)op;
    if (id == NULL || id->kind == HST_PICKLE_STORAGE) return machine->cursor->error.status; /* a storage already */
    if (!is_storage(id)) return fail(machine, HST_E_INVALID_FILE, "persistent: an id that names no storage");
    id->kind = HST_PICKLE_STORAGE;
    return append(machine, &machine->storages, id);
}

/* An opcode that no weights need: the machine ends here. INST names what it would call. */
static int op_forbidden(struct machine *machine, uint8_t op)
{
    char what[160];
    const char *module, *name;
    snprintf(what, sizeof what, "opcode 0x%02x", op);
    if (op == 'i' && take_name(machine, &module, &name) == HST_OK) snprintf(what, sizeof what, "%.64s.%.64s", module, name);
    offend(machine, what);
    machine->stopped = true;
    return HST_OK;
}

static int (*const ops[256])(struct machine *machine, uint8_t op) = {
    [0x80] = op_proto, [0x95] = op_frame, ['.'] = op_stop, ['}'] = op_empty, [']'] = op_empty, [')'] = op_empty, ['('] = op_empty, ['N'] = op_other, ['G'] = op_other,
    ['K'] = op_number, ['M'] = op_number, ['J'] = op_number, [0x88] = op_number, [0x89] = op_number, [0x8a] = op_long,
    ['X'] = op_text, [0x8c] = op_text, [0x8d] = op_text, ['U'] = op_text, ['T'] = op_text, ['C'] = op_text, ['B'] = op_text, [0x8e] = op_text,
    ['q'] = op_put, ['r'] = op_put, [0x94] = op_put, ['h'] = op_get, ['j'] = op_get,
    ['t'] = op_gather, ['l'] = op_gather, ['d'] = op_gather, [0x85] = op_tuple, [0x86] = op_tuple, [0x87] = op_tuple,
    ['a'] = op_add, ['e'] = op_add, ['s'] = op_add, ['u'] = op_add, ['c'] = op_global, [0x93] = op_stack_global, ['R'] = op_call, [0x81] = op_call,
    ['b'] = op_build, ['0'] = op_pop, ['Q'] = op_persistent,
};

static int step(struct machine *machine)
{
    machine->opcode_at = machine->cursor->at;
    uint8_t op = hst_cursor_u8(machine->cursor);
    if (!hst_cursor_ok(machine->cursor)) return machine->cursor->error.status;
    if (machine->opcodes++ == HST_PICKLE_OPCODES_MAX) return fail(machine, HST_E_LIMIT_EXCEEDED, "limit: opcodes: the pickle has too many");
    HST_TRY((ops[op] != NULL ? ops[op] : op_forbidden)(machine, op));
    bool straddles = machine->opcode_at < machine->frame_end && machine->cursor->at > machine->frame_end;
    return straddles ? fail(machine, HST_E_INVALID_FILE, "frame: an opcode reaches over the end of its frame") : machine->cursor->error.status;
}

/* What came of it. An offence outweighs whatever went wrong after it. */
static int judge(struct machine *machine, int status, struct hst_pickle *ret_pickle, struct hst_error *err)
{
    const struct offences *offences = &machine->offences;
    char more[40] = "";
    if (offences->more > 0) snprintf(more, sizeof more, " and %zu more", offences->more);
    if (offences->list[0] != '\0')
        return hst_error_at(err, HST_E_UNSAFE_FILE, offences->offset, "global: it asks for %s%s, which weights do not need", offences->list, more);
    const struct hst_pickle_value *value = status == HST_OK ? pop(machine) : NULL;
    if (value != NULL) {
        *ret_pickle = (struct hst_pickle){value, machine->storages};
        return HST_OK;
    }
    if (err != NULL) *err = machine->cursor->error;
    return machine->cursor->error.status;
}

int hst_pickle_read(struct hst_cursor *cursor, struct hst_arena *arena, struct hst_pickle *ret_pickle, struct hst_error *err)
{
    struct machine machine = {.cursor = cursor, .arena = arena, .heap_most = HST_PICKLE_HEAP_FACTOR * cursor->size + HST_PICKLE_HEAP_FREE};
    int status = HST_OK;
    while (status == HST_OK && !machine.stopped)
        status = step(&machine);
    status = judge(&machine, status, ret_pickle, err);
    free(machine.stack.items);
    free(machine.memo.items);
    return status;
}

const struct hst_pickle_value *hst_pickle_get(const struct hst_pickle_value *dict, const char *key)
{
    const struct hst_pickle_value *found = NULL;
    for (size_t i = 0; dict->kind == HST_PICKLE_DICT && i + 1 < dict->count; i += 2)
        if (dict->items[i]->kind == HST_PICKLE_TEXT && strcmp(dict->items[i]->text, key) == 0) found = dict->items[i + 1];
    return found;
}
