#include "formats/pickle.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "formats/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORAGE(name, dtype) {"torch", name, HST_PICKLE_ROLE_STORAGE, dtype}
#define DTYPE(name, dtype) {"torch", name, HST_PICKLE_ROLE_DTYPE, dtype}

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

/* The machine: a stack, and a memo of what was made. */
struct machine {
    struct hst_cursor *cursor;
    struct hst_arena *arena;
    struct hst_pickle_value stack; /* items are the stack */
    struct hst_pickle_value memo;
    struct hst_pickle_value storages; /* items are those made so far */
    size_t values;
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

static struct hst_pickle_value *make(struct machine *machine, enum hst_pickle_kind kind)
{
    struct hst_pickle_value *value = machine->values++ < HST_PICKLE_VALUES_MAX ? hst_arena_alloc(machine->arena, sizeof *value) : NULL;
    if (value != NULL) value->kind = kind;
    if (value == NULL) fail(machine, HST_E_LIMIT_EXCEEDED, "limit: the pickle makes too many values");
    return value;
}

/* Room doubles in the arena; what was there before stays unused. */
static int append(struct machine *machine, struct hst_pickle_value *list, struct hst_pickle_value *item)
{
    if (list->count == list->room) {
        size_t room = 2 * list->room + 4;
        struct hst_pickle_value **items = hst_arena_alloc(machine->arena, room * sizeof *items);
        if (items == NULL) return nomem(machine);
        if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = item;
    return HST_OK;
}

static int push(struct machine *machine, struct hst_pickle_value *value)
{
    return value != NULL ? append(machine, &machine->stack, value) : machine->cursor->error.status;
}

static struct hst_pickle_value *pop(struct machine *machine)
{
    if (machine->stack.count > 0 && machine->stack.items[machine->stack.count - 1]->kind != HST_PICKLE_MARK) return machine->stack.items[--machine->stack.count];
    fail(machine, HST_E_INVALID_FILE, "pickle: the stack is empty");
    return NULL;
}

static struct hst_pickle_value *top(struct machine *machine)
{
    struct hst_pickle_value *value = pop(machine);
    machine->stack.count += value != NULL;
    return value;
}

/* Index of the first item above the last mark; the mark is below it. @return 0 when there is none */
static size_t find_mark(struct machine *machine)
{
    for (size_t i = machine->stack.count; i > 0; i--)
        if (machine->stack.items[i - 1]->kind == HST_PICKLE_MARK) return i;
    fail(machine, HST_E_INVALID_FILE, "pickle: there is no mark");
    return 0;
}

/* ---- opcodes; `op` is the opcode itself ---- */

static int op_skip(struct machine *machine, uint8_t op)
{
    hst_cursor_take(machine->cursor, op == 0x80 ? 1 : 8); /* PROTO, FRAME */
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
    return push(machine, make(machine, op == '}' ? HST_PICKLE_DICT : op == ']' ? HST_PICKLE_LIST : op == ')' ? HST_PICKLE_TUPLE : HST_PICKLE_MARK));
}

static int op_other(struct machine *machine, uint8_t op)
{
    if (op == 'G') hst_cursor_take(machine->cursor, 8);
    return push(machine, make(machine, HST_PICKLE_OTHER));
}

static int push_number(struct machine *machine, int64_t number)
{
    struct hst_pickle_value *value = make(machine, HST_PICKLE_NUMBER);
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
    if (length > 8) return push(machine, make(machine, HST_PICKLE_OTHER));
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
    struct hst_pickle_value *value = make(machine, memchr(bytes, '\0', length) == NULL ? HST_PICKLE_TEXT : HST_PICKLE_OTHER);
    if (value != NULL && value->kind == HST_PICKLE_TEXT && (value->text = hst_arena_text(machine->arena, (const char *)bytes, length)) == NULL) return nomem(machine);
    return push(machine, value);
}

static int memoize(struct machine *machine, uint64_t index)
{
    struct hst_pickle_value *value = top(machine);
    if (value == NULL) return machine->cursor->error.status;
    if (index > machine->memo.count) return fail(machine, HST_E_INVALID_FILE, "pickle: the memo has a gap");
    if (index < machine->memo.count) {
        machine->memo.items[index] = value;
        return HST_OK;
    }
    return append(machine, &machine->memo, value);
}

static int op_put(struct machine *machine, uint8_t op)
{
    if (op == 0x94) return memoize(machine, machine->memo.count);
    return memoize(machine, op == 'q' ? hst_cursor_u8(machine->cursor) : hst_cursor_u32(machine->cursor));
}

static int op_get(struct machine *machine, uint8_t op)
{
    uint64_t index = op == 'h' ? hst_cursor_u8(machine->cursor) : hst_cursor_u32(machine->cursor);
    if (index >= machine->memo.count) return fail(machine, HST_E_INVALID_FILE, "pickle: nothing was put there");
    return append(machine, &machine->stack, machine->memo.items[index]);
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

static int op_tuple(struct machine *machine, uint8_t op)
{
    size_t count = op - 0x84u; /* TUPLE1 to TUPLE3 */
    if (op == 't' || op == 'l' || op == 'd') {
        size_t first = find_mark(machine);
        return first > 0 ? gather(machine, op == 't' ? HST_PICKLE_TUPLE : op == 'l' ? HST_PICKLE_LIST : HST_PICKLE_DICT, first, first - 1) : machine->cursor->error.status;
    }
    if (machine->stack.count < count) return fail(machine, HST_E_INVALID_FILE, "pickle: the stack is empty");
    return gather(machine, HST_PICKLE_TUPLE, machine->stack.count - count, machine->stack.count - count);
}

/* Put what lies above `first` into what lies at `target`. */
static int add_items(struct machine *machine, size_t target, size_t first)
{
    struct hst_pickle_value *into = machine->stack.items[target];
    bool pairs = into->kind == HST_PICKLE_DICT;
    if (pairs && (machine->stack.count - first) % 2 != 0) return fail(machine, HST_E_INVALID_FILE, "pickle: a key without a value");
    for (size_t i = first; i < machine->stack.count && (pairs || into->kind == HST_PICKLE_LIST); i++)
        HST_TRY(append(machine, into, machine->stack.items[i]));
    machine->stack.count = target + 1;
    return HST_OK;
}

static int op_add(struct machine *machine, uint8_t op)
{
    size_t count = op == 's' ? 2 : 1;
    if (op == 's' || op == 'a') {
        if (machine->stack.count <= count) return fail(machine, HST_E_INVALID_FILE, "pickle: the stack is empty");
        return add_items(machine, machine->stack.count - count - 1, machine->stack.count - count);
    }
    size_t first = find_mark(machine);
    return first > 1 ? add_items(machine, first - 2, first) : fail(machine, HST_E_INVALID_FILE, "pickle: items of nothing");
}

static int push_global(struct machine *machine, const char *module, const char *name)
{
    char what[256];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i].module, module) != 0 || strcmp(names[i].name, name) != 0) continue;
        struct hst_pickle_value *value = make(machine, HST_PICKLE_GLOBAL);
        if (value != NULL) value->name = &names[i];
        return push(machine, value);
    }
    snprintf(what, sizeof what, "global: it asks for %.100s.%.100s, which weights do not need", module, name);
    return fail(machine, HST_E_UNSAFE_FILE, what);
}

/* A line of text, without its end, in the arena. */
static const char *take_line(struct machine *machine)
{
    struct hst_cursor *cursor = machine->cursor;
    const uint8_t *begin = cursor->bytes + cursor->at, *end = memchr(begin, '\n', hst_cursor_left(cursor));
    if (end == NULL || memchr(begin, '\0', (size_t)(end - begin)) != NULL) {
        fail(machine, HST_E_INVALID_FILE, "pickle: a name does not end");
        return NULL;
    }
    cursor->at += (uint64_t)(end - begin) + 1;
    return hst_arena_text(machine->arena, (const char *)begin, (size_t)(end - begin));
}

static int op_global(struct machine *machine, uint8_t op)
{
    if (op == 'c') {
        const char *module = take_line(machine), *name = module != NULL ? take_line(machine) : NULL;
        return name != NULL ? push_global(machine, module, name) : fail(machine, HST_E_NOMEM, "out of memory");
    }
    const struct hst_pickle_value *name = pop(machine), *module = name != NULL ? pop(machine) : NULL;
    bool good = module != NULL && module->kind == HST_PICKLE_TEXT && name->kind == HST_PICKLE_TEXT;
    return good ? push_global(machine, module->text, name->text) : fail(machine, HST_E_UNSAFE_FILE, "global: it asks for what is no name");
}

static struct hst_pickle_value *call(struct machine *machine, const struct hst_pickle_value *function, struct hst_pickle_value *arguments)
{
    switch (function->name->role) {
    case HST_PICKLE_ROLE_DICT: return make(machine, HST_PICKLE_DICT);
    case HST_PICKLE_ROLE_FIRST: return arguments->count > 0 ? arguments->items[0] : make(machine, HST_PICKLE_OTHER);
    case HST_PICKLE_ROLE_TENSOR:
        arguments->kind = HST_PICKLE_TENSOR;
        return arguments;
    default: return make(machine, HST_PICKLE_OTHER);
    }
}

/* REDUCE, NEWOBJ: nothing is called; the role of the name says what it would make. */
static int op_call(struct machine *machine, uint8_t op)
{
    struct hst_pickle_value *arguments = pop(machine), *function = arguments != NULL ? pop(machine) : NULL;
    (void)op;
    if (function == NULL) return machine->cursor->error.status;
    if (function->kind != HST_PICKLE_GLOBAL || arguments->kind != HST_PICKLE_TUPLE) return fail(machine, HST_E_UNSAFE_FILE, "call: it calls what is no name of the list");
    return push(machine, call(machine, function, arguments));
}

/* BUILD gives an object a state; what weights need has none. */
static int op_drop(struct machine *machine, uint8_t op)
{
    (void)op;
    return pop(machine) != NULL ? HST_OK : machine->cursor->error.status;
}

static int op_persistent(struct machine *machine, uint8_t op)
{
    struct hst_pickle_value *id = top(machine);
    (void)op;
    if (id == NULL) return machine->cursor->error.status;
    if (id->kind != HST_PICKLE_TUPLE) return fail(machine, HST_E_INVALID_FILE, "pickle: a persistent id that is no tuple");
    id->kind = HST_PICKLE_STORAGE;
    return append(machine, &machine->storages, id);
}

static int (*const ops[256])(struct machine *machine, uint8_t op) = {
    [0x80] = op_skip, [0x95] = op_skip, ['.'] = op_stop, ['}'] = op_empty, [']'] = op_empty, [')'] = op_empty, ['('] = op_empty, ['N'] = op_other, ['G'] = op_other,
    ['K'] = op_number, ['M'] = op_number, ['J'] = op_number, [0x88] = op_number, [0x89] = op_number, [0x8a] = op_long,
    ['X'] = op_text, [0x8c] = op_text, [0x8d] = op_text, ['U'] = op_text, ['T'] = op_text, ['C'] = op_text, ['B'] = op_text, [0x8e] = op_text,
    ['q'] = op_put, ['r'] = op_put, [0x94] = op_put, ['h'] = op_get, ['j'] = op_get,
    ['t'] = op_tuple, ['l'] = op_tuple, ['d'] = op_tuple, [0x85] = op_tuple, [0x86] = op_tuple, [0x87] = op_tuple,
    ['a'] = op_add, ['e'] = op_add, ['s'] = op_add, ['u'] = op_add, ['c'] = op_global, [0x93] = op_global, ['R'] = op_call, [0x81] = op_call, ['b'] = op_drop,
    ['0'] = op_drop, ['Q'] = op_persistent,
};

static int step(struct machine *machine)
{
    char what[64];
    uint8_t op = hst_cursor_u8(machine->cursor);
    if (!hst_cursor_ok(machine->cursor)) return machine->cursor->error.status;
    if (ops[op] != NULL) {
        HST_TRY(ops[op](machine, op));
        return machine->cursor->error.status;
    }
    snprintf(what, sizeof what, "opcode: 0x%02x is none that weights need", op);
    return fail(machine, HST_E_UNSAFE_FILE, what);
}

int hst_pickle_read(struct hst_cursor *cursor, struct hst_arena *arena, struct hst_pickle *ret_pickle, struct hst_error *err)
{
    struct machine machine = {.cursor = cursor, .arena = arena};
    int status = HST_OK;
    while (status == HST_OK && !machine.stopped)
        status = step(&machine);
    const struct hst_pickle_value *value = status == HST_OK ? pop(&machine) : NULL;
    if (value != NULL) {
        *ret_pickle = (struct hst_pickle){value, machine.storages};
        return HST_OK;
    }
    if (err != NULL) *err = cursor->error;
    return cursor->error.status;
}

const struct hst_pickle_value *hst_pickle_get(const struct hst_pickle_value *dict, const char *key)
{
    const struct hst_pickle_value *found = NULL;
    for (size_t i = 0; dict->kind == HST_PICKLE_DICT && i + 1 < dict->count; i += 2)
        if (dict->items[i]->kind == HST_PICKLE_TEXT && strcmp(dict->items[i]->text, key) == 0) found = dict->items[i + 1];
    return found;
}
